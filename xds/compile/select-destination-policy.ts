import { toObjectKey, type Configured } from '#mesh/config-object.ts'
import type { DestinationRuleSpec, Subset } from '#mesh/config/destination-rule.ts'
import type { TrafficPolicy } from '#mesh/config/schema/traffic-policy.ts'
import { resolveHost } from '#mesh/merge/resolve-host.ts'
import type { Service } from '#mesh/service.ts'
import type { MeshView } from '#mesh/view.ts'
import { toSpecificity } from './host-specificity.ts'
import { isExportedTo } from '#mesh/merge/is-exported-to.ts'

type DestinationRule = Configured<DestinationRuleSpec>

/** What DestinationRules say of a service, those for one host in one namespace merged into one. */
export interface DestinationPolicy {
  /** The keys of the rules that it was made from, joined by ","; "" = none. */
  readonly key: string
  readonly trafficPolicy: TrafficPolicy | undefined
  readonly subsets: readonly Subset[]
}

const noPolicy: DestinationPolicy = { key: '', trafficPolicy: undefined, subsets: [] }

/**
 * The rules for clients of a namespace: the client's own namespace before the service's before the root namespace; in
 * a namespace the closest host; of several for that host the first policy, and all subsets. Istio reference: DestinationRule,
 * "Sharing Configuration Across Namespaces" and exportTo.
 */
export const selectDestinationPolicy = (
  view: MeshView,
  service: Service,
  clientNamespace: string,
): DestinationPolicy => {
  const rules = view.destinationRulesFor(service.hostname)
  if (rules.length === 0) return noPolicy
  const { domainSuffix } = view.settings()
  const { rootNamespace, defaultDestinationRuleExportTo: byDefault } = view.meshConfig()
  const visible = rules.filter(({ metadata, spec }) =>
    isExportedTo(spec.exportTo, metadata.namespace, clientNamespace, byDefault),
  )
  for (const namespace of new Set([clientNamespace, service.namespace, rootNamespace])) {
    const closest = toClosest(visible, namespace, domainSuffix)
    if (closest.length > 0) return mergeRules(closest)
  }
  return noPolicy
}

/** The policy of this key again, so that who knows the key need not know the client. */
export const findDestinationPolicy = (view: MeshView, service: Service, key: string): DestinationPolicy => {
  if (key === '') return noPolicy
  const keys = key.split(',')
  return mergeRules(view.destinationRulesFor(service.hostname).filter((rule) => keys.includes(toRuleKey(rule))))
}

/**
 * What holds for a service whoever the client is, as far as a gateway needs it: the subsets of all rules. Of two subsets with one
 * name, the service's own namespace's counts, then the root's, then the first one's.
 */
export const mergeAllSubsets = (view: MeshView, service: Service): DestinationPolicy => {
  const rules = view.destinationRulesFor(service.hostname)
  if (rules.length === 0) return noPolicy
  const ranking = [service.namespace, view.meshConfig().rootNamespace]
  const toRank = ({ metadata }: DestinationRule) => {
    const rank = ranking.indexOf(metadata.namespace)
    return rank === -1 ? ranking.length : rank
  }
  return mergeRules(rules.toSorted((left, right) => toRank(left) - toRank(right)))
}

const toRuleKey = ({ metadata }: DestinationRule): string =>
  toObjectKey('DestinationRule', metadata.namespace, metadata.name)

const toClosest = (rules: readonly DestinationRule[], namespace: string, domainSuffix: string): DestinationRule[] => {
  let closest: DestinationRule[] = []
  let specificity = 0
  for (const rule of rules) {
    if (rule.metadata.namespace !== namespace) continue
    const ruleSpecificity = toSpecificity(resolveHost(rule.spec.host, namespace, domainSuffix))
    if (ruleSpecificity > specificity) {
      closest = [rule]
      specificity = ruleSpecificity
    } else if (ruleSpecificity === specificity) closest.push(rule)
  }
  return closest
}

const mergeRules = (rules: readonly DestinationRule[]): DestinationPolicy => {
  const subsets = new Map<string, Subset>()
  for (const { spec } of rules) {
    for (const subset of spec.subsets ?? []) if (!subsets.has(subset.name)) subsets.set(subset.name, subset)
  }
  return {
    key: rules.map(toRuleKey).join(','),
    trafficPolicy: rules.find(({ spec }) => spec.trafficPolicy)?.spec.trafficPolicy,
    subsets: [...subsets.values()],
  }
}
