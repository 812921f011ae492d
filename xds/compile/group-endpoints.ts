import { compareText } from '#mesh/merge/compare-text.ts'
import { getOrAdd } from '#mesh/merge/get-or-add.ts'
import type { PlacedEndpoints, UpstreamEndpoint } from '#xds/model/load-assignment.ts'
import { fitWeights } from './fit-weights.ts'

/** An endpoint that may be among those of an upstream. */
export interface Candidate extends UpstreamEndpoint {
  readonly locality: string
  /** From the client, where that counts; 0 is nearest. */
  readonly distance: number
  /** The node whose clients it is nearer to, and how far from them. */
  readonly nearer?: { readonly node: string; readonly distance: number } | undefined
}

/** Of one locality those at the same distance. */
export interface EndpointGroup {
  readonly locality: string
  readonly distance: number
  readonly members: readonly Candidate[]
  /** The same, without what nobody needs any more. */
  readonly endpoints: readonly UpstreamEndpoint[]
}

/** The same candidates, with weights that Envoy takes. */
export const withFittingWeights = (candidates: readonly Candidate[]): Candidate[] => {
  const weights = fitWeights(candidates.map(({ weight }) => weight))
  return candidates.map((candidate, index) => ({ ...candidate, weight: weights[index] ?? 1 }))
}

export const groupEndpoints = (candidates: readonly Candidate[]): EndpointGroup[] => {
  const groups = new Map<string, EndpointGroup & { members: Candidate[]; endpoints: UpstreamEndpoint[] }>()
  for (const candidate of candidates) {
    const { locality, distance, address, port, weight, isDraining, transport, isGateway } = candidate
    const group = getOrAdd(groups, `${locality}|${distance}`, () => ({
      locality,
      distance,
      members: [],
      endpoints: [],
    }))
    group.members.push(candidate)
    group.endpoints.push({ address, port, weight, isDraining, transport, ...(isGateway && { isGateway }) })
  }
  return [...groups.values()]
}

/** The nearest come first. */
export const rankGroups = (
  groups: readonly (Pick<EndpointGroup, 'locality' | 'distance' | 'endpoints'> & Pick<PlacedEndpoints, 'without'>)[],
): PlacedEndpoints[] => {
  const distances = [...new Set(groups.map(({ distance }) => distance))].sort((left, right) => left - right)
  return groups
    .toSorted((left, right) => compareText(left.locality, right.locality) || left.distance - right.distance)
    .map(({ locality, distance, endpoints, without }) => ({
      locality,
      priority: distances.indexOf(distance),
      endpoints,
      ...(without && { without }),
    }))
}
