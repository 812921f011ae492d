import { toClientSelectorKey, toRuleSelector, type ClientSelectorKey } from '#mesh/client-selectors.ts'
import { toObjectKey, type Configured } from '#mesh/config-object.ts'
import type { DestinationRuleSpec, Subset } from '#mesh/config/destination-rule.ts'
import type { TrafficPolicy } from '#mesh/config/schema/traffic-policy.ts'
import { resolveHost } from '#mesh/merge/resolve-host.ts'
import type { Service } from '#mesh/service.ts'
import type { MeshView } from '#mesh/view.ts'
import { toSpecificity } from '#mesh/merge/host-specificity.ts'
import { isExportedTo, toAudience } from '#mesh/merge/is-exported-to.ts'

type DestinationRule = Configured<DestinationRuleSpec>

/** What DestinationRules say of a service, those for one host in one namespace merged into one. */
export interface DestinationPolicy {
  /** The keys of the rules that it was made from, joined by ","; "" = none. */
  readonly key: string
  readonly trafficPolicy: TrafficPolicy | undefined
  readonly subsets: readonly Subset[]
  /** Whether it is for clients that a workloadSelector chose. */
  readonly isForSelected: boolean
}

/** Whom a policy is for. */
export interface PolicyClient {
  readonly namespace: string
  /** Of the selectors in use those that select it. */
  readonly selectors: Iterable<ClientSelectorKey>
}

const noPolicy: DestinationPolicy = { key: '', trafficPolicy: undefined, subsets: [], isForSelected: false }

/**
 * The rules for a client: its own namespace's before the service's before the root namespace's, whose own clients go by those that are
 * for them alone first; in a namespace the closest host, and of shared ones none when that one is not for the client; of
 * several for that host those that select the client by its labels, by the oldest's selector, and only without such the others. Of what
 * is left the first policy counts, and all subsets. Istio reference: DestinationRule, "Sharing Configuration Across Namespaces",
 * exportTo and workloadSelector.
 */
export const selectDestinationPolicy = (view: MeshView, service: Service, client: PolicyClient): DestinationPolicy => {
  const rules = view.destinationRulesFor(service.hostname)
  if (rules.length === 0) return noPolicy
  const { domainSuffix } = view.settings()
  const { rootNamespace, defaultDestinationRuleExportTo: byDefault } = view.meshConfig()
  const selectors = new Set(client.selectors)
  const isVisible = (rule: DestinationRule) => {
    const key = toSelectorKey(rule)
    return key === undefined
      ? isExportedTo(rule.spec.exportTo, rule.metadata.namespace, client.namespace, byDefault)
      : rule.metadata.namespace === client.namespace && selectors.has(key)
  }
  const isPrivate = (rule: DestinationRule) => isForOwnAlone(rule, byDefault)
  const isOfRoot = client.namespace === rootNamespace
  const own = rules.filter((rule) => isVisible(rule) && (!isOfRoot || isPrivate(rule)))
  const shared = rules.filter((rule) => !isPrivate(rule))
  const chosen = [
    toClosest(own, client.namespace, domainSuffix),
    ...[service.namespace, rootNamespace].map((each) => toClosest(shared, each, domainSuffix).filter(isVisible)),
  ].find((each) => each.length > 0)
  return chosen ? mergeRules(withOneSelector(chosen)) : noPolicy
}

const isForOwnAlone = (rule: DestinationRule, byDefault: readonly string[] | undefined): boolean => {
  const { namespace } = rule.metadata
  return (
    toSelectorKey(rule) !== undefined ||
    toAudience(rule.spec.exportTo, namespace, byDefault).every((entry) => entry === namespace)
  )
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

const toSelectorKey = (rule: DestinationRule): ClientSelectorKey | undefined => {
  const selector = toRuleSelector(rule)
  return selector && toClientSelectorKey(selector)
}

const withOneSelector = (rules: readonly DestinationRule[]): readonly DestinationRule[] => {
  const key = rules.map(toSelectorKey).find((each) => each !== undefined)
  return rules.filter((rule) => toSelectorKey(rule) === key)
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
    isForSelected: rules.some(({ spec }) => spec.workloadSelector),
  }
}
