import { getOrAdd } from '#mesh/merge/get-or-add.ts'
import type { Endpoint } from '#mesh/service.ts'
import type { MeshView } from '#mesh/view.ts'
import type { LoadAssignment, LoadAssignmentByNode, PlacedEndpoints } from '#xds/model/load-assignment.ts'
import { compileCandidates, compileLoadAssignment, type EndpointChoice } from './compile-load-assignment.ts'
import {
  groupEndpoints,
  rankGroups,
  withFittingWeights,
  type Candidate,
  type EndpointGroup,
} from './group-endpoints.ts'
import { toPreferenceOn } from './compile-locality.ts'
import type { Report } from './report.ts'
import type { ReachableEndpoints } from './service-endpoints.ts'

/** The endpoints of a service that tells nodes apart, for the clients on each node. `assignment` = for clients that are on none of them. */
export const compileAssignmentsByNode = (
  view: MeshView,
  assignment: LoadAssignment,
  reachable: ReachableEndpoints,
  choice: EndpointChoice,
): LoadAssignmentByNode =>
  choice.service.isNodeLocal
    ? compileOwnAlone(view, assignment.upstream, reachable.direct, choice)
    : { elsewhere: assignment, onNodes: compileNearer(view, reachable, choice) }

/** What is wrong with endpoints is told where all of them are compiled. */
const toldElsewhere: Report = () => {}

/** Clients are given what is on their node, and nothing else. */
const compileOwnAlone = (
  view: MeshView,
  upstream: string,
  endpoints: readonly Endpoint[],
  choice: EndpointChoice,
): LoadAssignmentByNode => {
  const byNode = new Map<string, Endpoint[]>()
  for (const endpoint of endpoints)
    if (endpoint.node !== undefined) getOrAdd(byNode, endpoint.node, () => []).push(endpoint)
  const onNodes = new Map<string, readonly PlacedEndpoints[]>()
  for (const [node, direct] of byNode) {
    const there = { ...choice, preference: toPreferenceOn(choice.preference, node) }
    onNodes.set(node, compileLoadAssignment(view, upstream, { direct, remote: [] }, there, toldElsewhere).localities)
  }
  return { elsewhere: { upstream, localities: [] }, onNodes }
}

interface Nearer {
  readonly candidate: Candidate
  readonly group: EndpointGroup
  readonly index: number
}

/** What is nearer to the clients on a node leaves its group for one of that node's. */
const compileNearer = (
  view: MeshView,
  reachable: ReachableEndpoints,
  choice: EndpointChoice,
): LoadAssignmentByNode['onNodes'] => {
  const groups = groupEndpoints(withFittingWeights(compileCandidates(view, reachable, choice, toldElsewhere)))
  const byNode = new Map<string, Nearer[]>()
  for (const group of groups)
    for (const [index, candidate] of group.members.entries()) {
      if (!candidate.nearer) continue
      const { node, distance } = candidate.nearer
      getOrAdd(byNode, node, () => []).push({ candidate: { ...candidate, distance }, group, index })
    }
  return new Map([...byNode].map(([node, nearer]) => [node, moveNearer(groups, nearer)]))
}

/** No group of others is as far: the first label that differs is a later one on the same node. */
const moveNearer = (groups: readonly EndpointGroup[], nearer: readonly Nearer[]): PlacedEndpoints[] => {
  const moved = new Map<EndpointGroup, number[]>()
  for (const { group, index } of nearer) getOrAdd(moved, group, () => []).push(index)
  const left = groups.flatMap((group) => {
    const without = moved.get(group)
    if (!without) return group
    return without.length < group.members.length ? { ...group, without } : []
  })
  return rankGroups([...left, ...groupEndpoints(nearer.map(({ candidate }) => candidate))])
}
