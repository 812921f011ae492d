import { getOrAdd } from '#mesh/merge/get-or-add.ts'
import type { ClusterName } from '#mesh/names.ts'
import type { Endpoint, GatewayAddress, Service, ServicePort } from '#mesh/service.ts'
import { hasLabelsThere, type Place } from '#mesh/topology.ts'
import type { MeshView, RemoteGroups } from '#mesh/view.ts'
import type { LoadAssignment, LocalityEndpoints } from '#xds/model/load-assignment.ts'
import { matchesLocality, toDistance, toPreferenceOn, type LocalityPreference } from './compile-locality.ts'
import { toTransport } from './external-peers.ts'
import { isIpv4Address } from './ip-address.ts'
import { toCommonDenominator } from './fit-weights.ts'
import { groupEndpoints, rankGroups, withFittingWeights, type Candidate } from './group-endpoints.ts'
import type { Report } from './report.ts'
import type { ReachableEndpoints } from './service-endpoints.ts'
import { shareOut } from './share-out.ts'

/** Which endpoints of a service an upstream leads to. */
export interface EndpointChoice {
  readonly service: Service
  readonly port: ServicePort
  /** Of the subset; none = all endpoints. */
  readonly labels: Readonly<Record<string, string>>
  readonly preference?: LocalityPreference | undefined
}

/** What the gateways of one other cluster lead to. */
interface RemoteOffer {
  readonly gateways: readonly GatewayAddress[]
  /** Those among which the weight is split: of several clusters where all of them lead to the same. */
  readonly gatewayCount: number
  readonly areAlive: boolean
  /** Never empty. */
  readonly groups: readonly RemoteGroup[]
}

/** Endpoints behind a gateway that are alike to the client. */
type RemoteGroup = Pick<Candidate, 'locality' | 'distance' | 'weight'>

/**
 * The endpoints that this cluster's network reaches, and for each other network its gateways with the weight of what is
 * behind them, split evenly over the gateways. A cluster of which no gateway is alive counts only where nothing else does. The proportions are exact: all weights are brought to a common denominator first.
 */
export const compileLoadAssignment = (
  view: MeshView,
  upstream: string,
  reachable: ReachableEndpoints,
  choice: EndpointChoice,
  report: Report,
): LoadAssignment => ({
  upstream,
  localities: groupByLocality(compileCandidates(view, reachable, choice, report), choice.preference),
})

/** The same before they are grouped. */
export const compileCandidates = (
  view: MeshView,
  { direct: endpoints, remote }: ReachableEndpoints,
  choice: EndpointChoice,
  report: Report,
): Candidate[] => {
  const hasDirect = toDirect(view, endpoints, choice, 1).some(({ isDraining }) => !isDraining)
  const offers = leaveUnreached(toRemoteOffers(view, remote, choice), hasDirect)
  const denominator = toCommonDenominator(offers.map(({ gatewayCount }) => gatewayCount))
  const direct = toDirect(view, endpoints, choice, denominator)
  if (endpoints.some((endpoint) => toTransport(view, endpoint) === undefined))
    report(
      `Service/${choice.service.key}`,
      "has pods with Istio's sidecar, and no issuer of theirs is trusted here: left out",
    )
  return [...direct, ...toGateways(offers, denominator)].filter((candidate) => {
    if (isResolvedByProxy(choice.service) || isIpOrSocket(candidate.address)) return true
    report(`Service/${choice.service.key}`, `the endpoint ${candidate.address} is not an IP address: left out`)
    return false
  })
}

/** The endpoints that an east-west gateway may pass connections to: this cluster's own, and only those that other clusters believe. */
export const compileGatewayAssignment = (
  view: MeshView,
  upstream: string,
  choice: EndpointChoice,
  report: Report,
): LoadAssignment => {
  const { key } = choice.service
  const own = view.endpoints(key).filter(({ cluster }) => cluster === view.localCluster)
  const endpoints = own.filter(
    (endpoint) =>
      toTransport(view, endpoint, endpoint.ports[choice.port.name]) === 'mesh' && isIpOrSocket(endpoint.address),
  )
  const port = own.flatMap(({ ports, plaintextPorts = [] }) => {
    const number = ports[choice.port.name]
    return number !== undefined && plaintextPorts.includes(number) ? number : []
  })[0]
  if (port !== undefined)
    report(
      `Service/${key}`,
      `where its PeerAuthentication says DISABLE of port ${port} other networks do not reach it: gateways pass on nothing but mesh mTLS`,
    )
  return { upstream, localities: groupByLocality(toDirect(view, endpoints, choice, 1), undefined) }
}

const isResolvedByProxy = ({ resolution }: Service): boolean => resolution === 'dns' || resolution === 'dns-round-robin'

const isIpOrSocket = (address: string): boolean => isIpv4Address(address) || address.includes(':')

const toDirect = (
  view: MeshView,
  endpoints: readonly Endpoint[],
  { port, labels, preference }: EndpointChoice,
  denominator: number,
): Candidate[] => {
  const candidates: Candidate[] = []
  for (const endpoint of endpoints) {
    if (endpoint.health === 'unhealthy' || !hasLabelsThere(endpoint, labels)) continue
    if (!hasShare(preference, endpoint.locality)) continue
    const number = endpoint.ports[port.name]
    const transport = toTransport(view, endpoint, number)
    if (number === undefined || transport === undefined) continue
    candidates.push({
      address: endpoint.address,
      port: number,
      locality: endpoint.locality,
      ...toDistances(preference, endpoint),
      weight: endpoint.weight * denominator,
      isDraining: endpoint.health === 'draining',
      transport,
    })
  }
  return candidates
}

const toDistanceOf = (preference: LocalityPreference | undefined, place: Place): number =>
  preference?.kind === 'failover' ? toDistance(preference, place) : 0

/** A client that is on no node is farther from some endpoints than those on the endpoint's own node. */
const toDistances = (
  preference: LocalityPreference | undefined,
  endpoint: Endpoint,
): Pick<Candidate, 'distance' | 'nearer'> => {
  const { node, cluster } = endpoint
  const distance = toDistanceOf(preference, endpoint)
  if (preference?.kind !== 'failover' || node === undefined || cluster !== preference.client.cluster)
    return { distance }
  const onNode = toDistance(toPreferenceOn(preference, node), endpoint)
  return onNode === distance ? { distance } : { distance, nearer: { node, distance: onNode } }
}

const hasShare = (preference: LocalityPreference | undefined, locality: string): boolean =>
  preference?.kind !== 'distribute' || preference.shares.some(([pattern]) => matchesLocality(locality, pattern))

const toRemoteOffers = (
  view: MeshView,
  remote: readonly RemoteGroups[],
  { port, labels, preference }: EndpointChoice,
): RemoteOffer[] => {
  const offers: RemoteOffer[] = []
  for (const { clusters, network, groups: all } of remote) {
    const serving = all.filter((group) => group.ports.includes(port.name) && hasShare(preference, group.locality))
    const offering = clusters.flatMap((cluster) => {
      const groups = serving.flatMap(({ locality, labels: ofGroup, weight }): RemoteGroup[] => {
        const place = { locality, network, cluster, labels: ofGroup }
        return hasLabelsThere(place, labels) ? [{ locality, distance: toDistanceOf(preference, place), weight }] : []
      })
      return groups.length > 0 ? { cluster, groups } : []
    })
    const reached = toReached(view, offering)
    const gatewayCount = reached.reduce((count, { addresses }) => count + addresses.length, 0)
    for (const { addresses: gateways, areAlive, groups } of reached)
      offers.push({ gateways, gatewayCount, areAlive, groups })
  }
  return offers
}

/** Of clusters that lead to the same those with live gateways; all that have any where none is alive. */
const toReached = (
  view: MeshView,
  offering: readonly { readonly cluster: ClusterName; readonly groups: readonly RemoteGroup[] }[],
) => {
  const reached = offering
    .map(({ cluster, groups }) => ({ groups, ...view.gateways(cluster) }))
    .filter(({ addresses }) => addresses.length > 0)
  const alive = reached.filter(({ areAlive }) => areAlive)
  return alive.length > 0 ? alive : reached
}

const leaveUnreached = (offers: readonly RemoteOffer[], hasDirect: boolean): readonly RemoteOffer[] => {
  const alive = offers.filter(({ areAlive }) => areAlive)
  return hasDirect || alive.length > 0 ? alive : offers
}

/**
 * Envoy takes an address once per EnvoyCluster: what several groups have behind one gateway is added up, and it stands where most of
 * that is.
 */
const toGateways = (offers: readonly RemoteOffer[], denominator: number): Candidate[] => {
  const byAddress = new Map<string, GatewayAddress & { weight: number; readonly groups: RemoteGroup[] }>()
  for (const { gateways, gatewayCount, groups } of offers) {
    const sum = groups.reduce((total, { weight }) => total + weight, 0)
    for (const { address, port } of gateways) {
      const gateway = getOrAdd(byAddress, `${address}|${port}`, () => ({ address, port, weight: 0, groups: [] }))
      gateway.weight += Math.max(1, Math.round((sum * denominator) / gatewayCount))
      gateway.groups.push(...groups)
    }
  }
  return [...byAddress.values()].map(({ groups, ...gateway }) => {
    const { locality, distance } = toHeaviest(groups)
    return { ...gateway, locality, distance, isDraining: false, transport: 'mesh' as const, isGateway: true as const }
  })
}

/** The place with the most weight; of equal ones the nearest. */
const toHeaviest = (groups: readonly RemoteGroup[]): RemoteGroup => {
  const places = new Map<string, RemoteGroup>()
  for (const group of groups) {
    const place = `${group.distance}|${group.locality}`
    places.set(place, { ...group, weight: group.weight + (places.get(place)?.weight ?? 0) })
  }
  return [...places.values()].reduce((most, other) =>
    other.weight > most.weight || (other.weight === most.weight && other.distance < most.distance) ? other : most,
  )
}

const groupByLocality = (
  candidates: readonly Candidate[],
  preference: LocalityPreference | undefined,
): LocalityEndpoints[] => {
  const localities = rankGroups(groupEndpoints(withFittingWeights(candidates)))
  return preference?.kind === 'distribute' ? shareOut(localities, preference.shares) : localities
}
