import type { ConfigObject, Configured } from '../config-object.ts'
import type { DestinationRuleSpec } from '../kinds/destination-rule.ts'
import { exportToOf } from '../kinds/service.ts'
import { getOrAdd } from '../merge/get-or-add.ts'
import { resolveHost } from '../merge/resolve-host.ts'
import { toServiceHostname } from '../names.ts'
import type { Problem } from '../problem.ts'
import { nameOf, problemOf } from './analyzed-objects.ts'
import type { AnalyzedObjects } from './analyzed-objects.ts'

type AnyObject = Omit<ConfigObject, 'spec'>

/** One object's claim to a host. */
interface Claim<Source extends AnyObject = AnyObject> {
  readonly object: Source
  readonly host: string
  readonly path: readonly PropertyKey[]
  /** Namespaces to which the claim holds; "*" = all. */
  readonly exportTo: readonly string[]
}

const resolved = (exportTo: readonly string[] | undefined, { metadata }: AnyObject): readonly string[] =>
  exportTo === undefined || exportTo.length === 0
    ? ['*']
    : exportTo.map((entry) => (entry === '.' ? metadata.namespace : entry))

const meet = (left: Claim, right: Claim): boolean =>
  left.exportTo.includes('*') ||
  right.exportTo.includes('*') ||
  left.exportTo.some((namespace) => right.exportTo.includes(namespace))

const byHost = <Source extends AnyObject>(claims: readonly Claim<Source>[]): readonly (readonly Claim<Source>[])[] => {
  const groups = new Map<string, Claim<Source>[]>()
  for (const claim of claims) getOrAdd(groups, claim.host, () => []).push(claim)
  return [...groups.values()].filter((group) => group.length > 1)
}

/** A warning to each object that claims what another one claims too. */
const contested = (
  claims: readonly Claim[],
  apart: (left: Claim, right: Claim) => boolean,
  explain: string,
): readonly Problem[] =>
  byHost(claims).flatMap((group) =>
    group.flatMap((claim) => {
      const other = group.find((each) => each.object !== claim.object && meet(each, claim) && !apart(each, claim))
      return other
        ? [
            problemOf(
              claim.object,
              'conflict',
              'warning',
              claim.path,
              `${nameOf(other.object)} is for ${claim.host} too: ${explain}`,
            ),
          ]
        : []
    }),
  )

const never = () => false
const inOtherNamespaces = (left: Claim, right: Claim): boolean =>
  left.object.metadata.namespace !== right.object.metadata.namespace

const virtualServiceClaims = ({ virtualServices }: AnalyzedObjects, domainSuffix: string): readonly Claim[] =>
  virtualServices.flatMap((object) =>
    object.spec.hosts.map((host, index) => ({
      object,
      host: resolveHost(host, object.metadata.namespace, domainSuffix),
      path: ['spec', 'hosts', index],
      exportTo: resolved(object.spec.exportTo, object),
    })),
  )

const destinationRuleClaims = (
  { destinationRules }: AnalyzedObjects,
  domainSuffix: string,
): readonly Claim<Configured<DestinationRuleSpec>>[] =>
  destinationRules.map((object) => ({
    object,
    host: resolveHost(object.spec.host, object.metadata.namespace, domainSuffix),
    path: ['spec', 'host'],
    exportTo: resolved(object.spec.exportTo, object),
  }))

const serviceClaims = ({ services, serviceEntries }: AnalyzedObjects, domainSuffix: string): readonly Claim[] => [
  ...services.map((object) => ({
    object,
    host: toServiceHostname(object.metadata.name, object.metadata.namespace, domainSuffix),
    path: ['metadata', 'name'],
    exportTo: resolved(exportToOf(object.metadata.annotations), object),
  })),
  ...serviceEntries.flatMap((object) =>
    object.spec.hosts.map((host, index) => ({
      object,
      host: host.toLowerCase(),
      path: ['spec', 'hosts', index],
      exportTo: resolved(object.spec.exportTo, object),
    })),
  ),
]

/** Subsets of one name in several rules of one namespace for one host. */
const repeatedSubsets = (claims: readonly Claim<Configured<DestinationRuleSpec>>[]): readonly Problem[] =>
  byHost(claims).flatMap((group) =>
    group.flatMap((claim) =>
      (claim.object.spec.subsets ?? []).flatMap(({ name }, index) => {
        const other = group.find(
          (each) =>
            each !== claim &&
            !inOtherNamespaces(each, claim) &&
            each.object.spec.subsets?.some((subset) => subset.name === name),
        )
        return other
          ? [
              problemOf(
                claim.object,
                'conflict',
                'warning',
                ['spec', 'subsets', index, 'name'],
                `${nameOf(other.object)} has a subset "${name}" too`,
              ),
            ]
          : []
      }),
    ),
  )

const sidecarsForAll = ({ sidecars }: AnalyzedObjects): readonly Problem[] => {
  const forAll = sidecars.filter(({ spec }) => Object.keys(spec.workloadSelector?.labels ?? {}).length === 0)
  return forAll.flatMap((object) => {
    const other = forAll.find((each) => each !== object && each.metadata.namespace === object.metadata.namespace)
    return other
      ? [
          problemOf(
            object,
            'conflict',
            'warning',
            ['spec', 'workloadSelector'],
            `${nameOf(other)} is for the whole namespace too: the oldest holds`,
          ),
        ]
      : []
  })
}

/** Objects of which only one can hold. Istio's rule is that the oldest does; what the others say is lost without a word. */
export const findConflicts = (objects: AnalyzedObjects, domainSuffix: string): readonly Problem[] => {
  const rules = destinationRuleClaims(objects, domainSuffix)
  return [
    ...contested(virtualServiceClaims(objects, domainSuffix), never, 'the oldest holds'),
    ...contested(rules, inOtherNamespaces, 'put them into one'),
    ...repeatedSubsets(rules),
    ...contested(serviceClaims(objects, domainSuffix), never, 'a client sees only one of them'),
    ...sidecarsForAll(objects),
  ]
}
