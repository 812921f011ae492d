import { analyzeParsed } from '../analysis/analyze.ts'
import { findUnselectedEntries } from '../analysis/unselected-entries.ts'
import type { KnownMesh } from '../analysis/known-mesh.ts'
import { toObjectKey, type Configured, type Origin, type Sourced } from '../config-object.ts'
import { byAge } from '../merge/by-age.ts'
import { compareText } from '../merge/compare-text.ts'
import type { Holding } from '../merge/precedence-table.ts'
import type { HeldConfiguration } from '../mesh-view-store.ts'
import type { Problem } from '../problem.ts'
import { conditionTypes, isTrouble, type Condition } from './condition.ts'
import { noFindings, toConditions, type ObjectFindings } from './to-conditions.ts'

/** What an agent knows of the configuration objects in its cluster. */
export interface JudgedCluster {
  readonly held: HeldConfiguration
  /** What is wrong with the cluster's own objects, each by itself. */
  readonly ownProblems: readonly Problem[]
  /** What the compiler left out; `object` is its key. */
  readonly leftOut: readonly { readonly object: string; readonly message: string }[]
  readonly known: KnownMesh
  /** Objects that name what is still being read, by key, and what was wrong with those of the mesh before. Absent = none. */
  readonly undecided?: { readonly keys: ReadonlySet<string>; readonly earlier: readonly ObjectTrouble[] }
}

/** Something that is not as it should be with an object, by its ObjectKey. */
export interface ObjectTrouble {
  readonly key: string
  readonly condition: Condition
}

export interface Judgement {
  /** The objects of which not enough is known: what is said of them stays. */
  readonly undecided: ReadonlySet<string>
  /** Of the cluster's own object of this key, which is there: all is well with one of which nothing else is known. */
  readonly clusterConditions: (key: string) => readonly Condition[]
  /** What is wrong in this cluster with objects of the mesh, or was with the undecided ones: the worst first, and by key. */
  readonly meshTroubles: readonly ObjectTrouble[]
}

/** Finds out about all configuration objects of a cluster. Costs work in proportion to all of them. */
export const judgeObjects = ({ held, ownProblems, leftOut, known, undecided = nobody }: JudgedCluster): Judgement => {
  const holdings: readonly Holding<unknown>[] = Object.values(held).flat()
  const own = Map.groupBy(ownProblems, keyOf)
  const related = Map.groupBy(analyzeParsed(toObjectsInForce(held), known), keyOf)
  const unselected = Map.groupBy(findUnselectedEntries(toMeshObjectsInForce(held)), keyOf)
  const messages = Map.groupBy(leftOut, ({ object }) => object)
  const byKey = new Map(holdings.map((holding) => [holding.key, holding]))

  const findingsOf = (origin: Origin, key: string): ObjectFindings => {
    const holding = byKey.get(key)
    const holds = holding?.inForce.some((each) => each.origin === origin) ?? false
    const refusals = holding?.refusals[origin] ?? []
    return {
      ...noFindings(origin),
      own: origin === 'cluster' ? [...(own.get(key) ?? []), ...refusals] : refusals,
      ...(holds && {
        related: related.get(key) ?? [],
        leftOut: [...new Set(messages.get(key)?.map(({ message }) => message))].toSorted(),
        unselected: unselected.get(key) ?? [],
      }),
      ...(holding?.holder && { contestedBy: { holder: holding.holder } }),
      isClosed: holding?.isClosed[origin] ?? false,
      earlierHolds: origin === 'cluster' && holding?.cluster !== undefined,
    }
  }

  const troublesOf = (key: string): readonly ObjectTrouble[] =>
    undecided.keys.has(key)
      ? undecided.earlier.filter((trouble) => trouble.key === key)
      : toConditions(findingsOf('mesh', key))
          .filter(isTrouble)
          .map((condition) => ({ key, condition }))

  return {
    undecided: undecided.keys,
    clusterConditions: (key) => toConditions(findingsOf('cluster', key)),
    meshTroubles: holdings
      .filter(({ mesh, refusals }) => mesh !== undefined || refusals.mesh.length > 0)
      .flatMap(({ key }) => troublesOf(key))
      .toSorted((one, other) => toRank(one) - toRank(other) || compareText(one.key, other.key)),
  }
}

const nobody = { keys: new Set<string>(), earlier: [] }

const keyOf = ({ object }: Problem): string => (object ? toObjectKey(object.kind, object.namespace, object.name) : '')

const byWeight: readonly string[] = [
  conditionTypes.accepted,
  conditionTypes.effective,
  conditionTypes.conflicted,
  conditionTypes.resolvedRefs,
]

const toRank = ({ condition }: ObjectTrouble): number => byWeight.indexOf(condition.type)

const toObjectsInForce = (held: HeldConfiguration) => ({
  virtualServices: inForce(held.virtualServices),
  destinationRules: inForce(held.destinationRules),
  gateways: inForce(held.gateways),
  serviceEntries: inForce(held.serviceEntries),
  sidecars: inForce(held.sidecars),
  envoyFilters: inForce(held.envoyFilters),
  telemetries: inForce(held.telemetries),
  peerAuthentications: sourced(held.peerAuthentications),
  requestAuthentications: sourced(held.requestAuthentications),
  authorizationPolicies: sourced(held.authorizationPolicies),
  clientAuthentications: sourced(held.clientAuthentications),
  rateLimits: sourced(held.rateLimits),
  proxyExtensions: sourced(held.proxyExtensions),
  wasmPlugins: sourced(held.wasmPlugins),
  services: [],
  workloadEntries: inForce(held.workloadEntries),
})

const toMeshObjectsInForce = ({ workloadEntries, serviceEntries }: HeldConfiguration) => ({
  workloadEntries: inForce(workloadEntries.filter(isOfMesh)),
  serviceEntries: inForce(serviceEntries.filter(isOfMesh)),
})

const isOfMesh = ({ inForce: [first] }: Holding<unknown>): boolean => first?.origin === 'mesh'

/** The oldest first, whatever order they came in: an agent that starts again finds the same, and of several rivals the one that holds is named. */
const inForce = <Spec>(holdings: readonly Holding<Spec>[]): readonly Configured<Spec>[] =>
  holdings.flatMap((each) => each.inForce.map(({ object }) => object)).toSorted(byAge)

/** The same, with where each comes from. */
const sourced = <Spec>(holdings: readonly Holding<Spec>[]): readonly Sourced<Spec>[] =>
  holdings.flatMap((each) => each.inForce.map(({ object, origin }) => ({ ...object, origin }))).toSorted(byAge)
