import { toClientSelectorKey, toRuleSelector } from '../client-selectors.ts'
import type { ConfigObject, Configured } from '../config-object.ts'
import type { DestinationRuleSpec } from '../config/destination-rule.ts'
import { exportToOf } from '../config/service.ts'
import { isForWholeNamespace } from '../config/schema/policy-target.ts'
import { isForSidecars } from '../config/schema/gateway-names.ts'
import { byAge } from '../merge/by-age.ts'
import { getOrAdd } from '../merge/get-or-add.ts'
import { toAudience } from '../merge/is-exported-to.ts'
import { resolveHost } from '../merge/resolve-host.ts'
import { toServiceHostname } from '../names.ts'
import type { Problem } from '../problem.ts'
import { nameOf, problemOf } from './analyzed-objects.ts'
import type { AnalyzedObjects, MaybeSourced } from './analyzed-objects.ts'
import { FirstByOwner } from './first-by-owner.ts'
import type { KnownMesh } from './known-mesh.ts'
import { olderOf } from './older-of.ts'

type AnyObject = Omit<ConfigObject, 'spec'>
type Rule = Configured<DestinationRuleSpec>

/** One object's claim to a host, or to something else that only one can have. */
interface Claim<Source extends AnyObject = AnyObject> {
  readonly object: Source
  readonly host: string
  readonly path: readonly PropertyKey[]
  /** Namespaces to which the claim holds; "*" = all. */
  readonly exportTo: readonly string[]
}

/** Groups of more than one claim. One that is exported to nobody is in nobody's way. */
const groupsOf = <Each extends Claim>(
  claims: readonly Each[],
  toKey: (claim: Each) => string,
): readonly (readonly Each[])[] => {
  const held = claims.filter(({ exportTo }) => !exportTo.includes('~'))
  return [...Map.groupBy(held, toKey).values()].filter(({ length }) => length > 1)
}

const hostOf = ({ host }: Claim): string => host
const hostAndNamespaceOf = ({ host, object }: Claim): string => `${object.metadata.namespace}/${host}`

type Order<Source extends AnyObject> = (left: Source, right: Source) => number

const sorted = <Each extends Claim>(group: readonly Each[], order: Order<Each['object']>) =>
  group.toSorted((left, right) => order(left.object, right.object))

/** For each claim of a group another owner's for some of the same clients, the first in an order, in time proportional to the group. */
const findRivals = <Each extends Claim, Owner>(
  group: readonly Each[],
  toOwner: (claim: Each) => Owner,
  order: Order<Each['object']>,
): ReadonlyMap<Each, Each> => {
  const all = new FirstByOwner<Each, Owner>()
  const byNamespace = new Map<string, FirstByOwner<Each, Owner>>()
  for (const claim of sorted(group, order)) {
    all.add(toOwner(claim), claim)
    for (const namespace of claim.exportTo)
      getOrAdd(byNamespace, namespace, () => new FirstByOwner<Each, Owner>()).add(toOwner(claim), claim)
  }
  const rivals = new Map<Each, Each>()
  for (const claim of group) {
    const candidates = claim.exportTo.includes('*')
      ? [all]
      : ['*', ...claim.exportTo].flatMap((namespace) => byNamespace.get(namespace) ?? [])
    const rival = candidates.map((each) => each.ofAnother(toOwner(claim))).find((each) => each !== undefined)
    if (rival) rivals.set(claim, rival)
  }
  return rivals
}

/** A warning to each object that claims what another one of its group claims too. */
const contested = <Source extends AnyObject>(
  groups: readonly (readonly Claim<Source>[])[],
  explain: (object: Source, other: Source) => string,
  order: Order<Source> = byAge,
): readonly Problem[] =>
  groups.flatMap((group) =>
    [...findRivals(group, ({ object }) => object, order)].map(([{ object, host, path }, { object: other }]) => {
      const message = `${nameOf(other)} is for ${host} too: ${explain(object, other)}`
      return problemOf(object, 'conflict', 'warning', path, message)
    }),
  )

const explainOldest = (object: AnyObject, other: AnyObject): string => `${olderOf(object, other)} holds`

const virtualServiceClaims = (
  { virtualServices }: AnalyzedObjects,
  { domainSuffix, defaults }: KnownMesh,
): readonly Claim[] =>
  virtualServices
    .filter(({ spec }) => isForSidecars(spec.gateways))
    .flatMap((object) =>
      object.spec.hosts.map((host, index) => ({
        object,
        host: resolveHost(host, object.metadata.namespace, domainSuffix),
        path: ['spec', 'hosts', index],
        exportTo: toAudience(object.spec.exportTo, object.metadata.namespace, defaults?.defaultVirtualServiceExportTo),
      })),
    )

const destinationRuleClaims = (
  { destinationRules }: AnalyzedObjects,
  { domainSuffix, defaults }: KnownMesh,
): readonly Claim<Rule>[] =>
  destinationRules.map((object) => ({
    object,
    host: resolveHost(object.spec.host, object.metadata.namespace, domainSuffix),
    path: ['spec', 'host'],
    exportTo: toAudience(object.spec.exportTo, object.metadata.namespace, defaults?.defaultDestinationRuleExportTo),
  }))

const serviceClaims = (
  { services, serviceEntries }: AnalyzedObjects,
  { domainSuffix, defaults }: KnownMesh,
): readonly Claim[] => [
  ...services.map((object) => ({
    object,
    host: toServiceHostname(object.metadata.name, object.metadata.namespace, domainSuffix),
    path: ['metadata', 'name'],
    exportTo: toAudience(
      exportToOf(object.metadata.annotations),
      object.metadata.namespace,
      defaults?.defaultServiceExportTo,
    ),
  })),
  ...serviceEntries.flatMap((object) =>
    object.spec.hosts.map((host, index) => ({
      object,
      host: host.toLowerCase(),
      path: ['spec', 'hosts', index],
      exportTo: toAudience(object.spec.exportTo, object.metadata.namespace, defaults?.defaultServiceExportTo),
    })),
  ),
]

/** ServiceEntries that give one port of a host different protocols, for some of the same clients. */
const disagreeingProtocols = ({ serviceEntries }: AnalyzedObjects, { defaults }: KnownMesh): readonly Problem[] => {
  const claims = serviceEntries.flatMap((object) => {
    const { exportTo, hosts, ports } = object.spec
    return hosts.flatMap((host) =>
      ports.map(({ number, protocol }, index) => ({
        object,
        host: `port ${number} of ${host.toLowerCase()}`,
        path: ['spec', 'ports', index, 'protocol'],
        exportTo: toAudience(exportTo, object.metadata.namespace, defaults?.defaultServiceExportTo),
        protocol: protocol?.toUpperCase() ?? 'TCP',
      })),
    )
  })
  return groupsOf(claims, hostOf).flatMap((group) =>
    [...findRivals(group, ({ protocol }) => protocol, byAge)].map(([{ object, host, path }, other]) =>
      problemOf(object, 'conflict', 'warning', path, `${nameOf(other.object)} says that ${host} is ${other.protocol}`),
    ),
  )
}

/** Subsets of one name in several rules of one namespace for one host. */
const repeatedSubsets = (groups: readonly (readonly Claim<Rule>[])[]): readonly Problem[] =>
  groups.flatMap((group) => {
    const bySubset = new Map<string, FirstByOwner<Rule>>()
    for (const { object } of sorted(group, byAge))
      for (const { name } of object.spec.subsets ?? [])
        getOrAdd(bySubset, name, () => new FirstByOwner<Rule>()).add(object, object)
    return group.flatMap(({ object }) =>
      (object.spec.subsets ?? []).flatMap(({ name }, index) => {
        const other = bySubset.get(name)?.ofAnother(object)
        if (!other) return []
        const path = ['spec', 'subsets', index, 'name']
        const message = `${nameOf(other)} has a subset "${name}" too: ${explainOldest(object, other)}`
        return [problemOf(object, 'conflict', 'warning', path, message)]
      }),
    )
  })

const sidecarClaims = ({ sidecars }: AnalyzedObjects): readonly Claim[] =>
  sidecars
    .filter(({ spec }) => Object.keys(spec.workloadSelector?.labels ?? {}).length === 0)
    .map((object) => ({ object, host: 'the whole namespace', path: ['spec', 'workloadSelector'], exportTo: ['*'] }))

const telemetryClaims = ({ telemetries }: AnalyzedObjects): readonly Claim[] =>
  telemetries
    .filter(({ spec }) => isForWholeNamespace(spec))
    .map((object) => ({ object, host: 'the whole namespace', path: ['spec', 'selector'], exportTo: ['*'] }))

const peerClaims = ({ peerAuthentications }: AnalyzedObjects): readonly Claim<MaybeSourced<unknown>>[] =>
  peerAuthentications
    .filter(({ spec }) => isForWholeNamespace(spec))
    .map((object) => ({ object, host: 'the whole namespace', path: ['spec', 'selector'], exportTo: ['*'] }))

/** What the mesh and what a cluster says adds up. */
const explainPeers = (object: MaybeSourced<unknown>, other: MaybeSourced<unknown>): string =>
  object.origin === other.origin ? explainOldest(object, other) : "of the mesh's and the cluster's the stricter holds"

/** Rules with different selectors are not for the same clients, and one with a selector is meant to go before those without. */
const toRuleGroup = (claim: Claim<Rule>): string => {
  const selector = toRuleSelector(claim.object)
  return `${hostAndNamespaceOf(claim)}/${selector === undefined ? '' : toClientSelectorKey(selector)}`
}

/** Of several rules the oldest one's policy holds that has one: such come first. */
const byPolicy = (left: Rule, right: Rule): number =>
  Number(!left.spec.trafficPolicy) - Number(!right.spec.trafficPolicy) || byAge(left, right)

const explainRules = (object: Rule, other: Rule): string =>
  object.spec.trafficPolicy && other.spec.trafficPolicy
    ? `the trafficPolicy of ${olderOf(object, other)} holds, and the subsets of both: put them into one`
    : 'they hold as one: put them into one'

/** In one namespace they are one service: the Service's fields, or the older ServiceEntry's, and the ports of both. */
const explainServices = (object: AnyObject, other: AnyObject): string => {
  if (object.metadata.namespace !== other.metadata.namespace)
    return "a client sees its own namespace's, or the first by namespace"
  const isService = [object, other].map(({ kind }) => kind === 'Service')
  const holder = isService[0] === isService[1] ? olderOf(object, other) : 'the Service'
  return `they are one, as ${holder} says it, with the ports of both`
}

/** Objects of which only one can hold. Istio's rule is that the oldest does; what the others say is lost without a word. */
export const findConflicts = (objects: AnalyzedObjects, known: KnownMesh): readonly Problem[] => {
  const rules = groupsOf(destinationRuleClaims(objects, known), toRuleGroup)
  return [
    ...contested(groupsOf(virtualServiceClaims(objects, known), hostOf), explainOldest),
    ...contested(rules, explainRules, byPolicy),
    ...repeatedSubsets(rules),
    ...disagreeingProtocols(objects, known),
    ...contested(groupsOf(serviceClaims(objects, known), hostOf), explainServices),
    ...contested(groupsOf(sidecarClaims(objects), hostAndNamespaceOf), explainOldest),
    ...contested(groupsOf(telemetryClaims(objects), hostAndNamespaceOf), explainOldest),
    ...contested(groupsOf(peerClaims(objects), hostAndNamespaceOf), explainPeers),
  ]
}
