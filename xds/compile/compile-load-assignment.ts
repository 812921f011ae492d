import { compareText } from '#mesh/merge/compare-text.ts'
import { getOrAdd } from '#mesh/merge/get-or-add.ts'
import type { Endpoint, EndpointGroup, GatewayAddress, Service, ServicePort } from '#mesh/service.ts'
import type { MeshView } from '#mesh/view.ts'
import type { LoadAssignment, LocalityEndpoints, UpstreamEndpoint } from '#xds/model/load-assignment.ts'
import { assignPriorities } from './assign-priorities.ts'
import { toTransport } from './external-peers.ts'
import { isIpv4Address } from './ip-address.ts'
import { fitWeights, toCommonDenominator } from './fit-weights.ts'
import type { Report } from './report.ts'

/** Which endpoints of a service an upstream leads to. */
export interface EndpointChoice {
  readonly service: Service
  readonly port: ServicePort
  /** Of the subset; none = all endpoints. */
  readonly labels: Readonly<Record<string, string>>
  /** Where the client is, if near endpoints are to be preferred. */
  readonly clientLocality: string | undefined
}

interface Candidate extends UpstreamEndpoint {
  readonly locality: string
}

/** What the gateways of one other cluster lead to. */
interface RemoteOffer {
  readonly gateways: readonly GatewayAddress[]
  readonly areAlive: boolean
  /** Never empty. */
  readonly groups: readonly EndpointGroup[]
}

/**
 * The endpoints that this cluster's network reaches, and for each other network its gateways with the weight of what is
 * behind them, split evenly over the gateways. A cluster of which no gateway is alive counts only where nothing else does. The proportions are exact: all weights are brought to a common denominator first.
 */
export const compileLoadAssignment = (
  view: MeshView,
  upstream: string,
  choice: EndpointChoice,
  report: Report,
): LoadAssignment => {
  const endpoints = view.endpoints(choice.service.key)
  const hasDirect = toDirect(view, endpoints, choice, 1).some(({ isDraining }) => !isDraining)
  const offers = leaveUnreached(toRemoteOffers(view, choice), hasDirect)
  const denominator = toCommonDenominator(offers.map(({ gateways }) => gateways.length))
  const direct = toDirect(view, endpoints, choice, denominator)
  if (endpoints.some((endpoint) => toTransport(view, endpoint) === undefined))
    report(
      `Service/${choice.service.key}`,
      "has pods with Istio's sidecar, and no issuer of theirs is trusted here: left out",
    )
  const candidates = [...direct, ...toGateways(offers, denominator)].filter((candidate) => {
    if (isResolvedByProxy(choice.service) || isIpOrSocket(candidate.address)) return true
    report(`Service/${choice.service.key}`, `the endpoint ${candidate.address} is not an IP address: left out`)
    return false
  })
  return { upstream, localities: groupByLocality(candidates, choice.clientLocality) }
}

/** The endpoints that an east-west gateway may pass connections to: this cluster's own, and only those that other clusters believe. */
export const compileGatewayAssignment = (view: MeshView, upstream: string, choice: EndpointChoice): LoadAssignment => {
  const endpoints = view
    .endpoints(choice.service.key)
    .filter(
      (endpoint) =>
        endpoint.cluster === view.localCluster &&
        toTransport(view, endpoint) === 'mesh' &&
        isIpOrSocket(endpoint.address),
    )
  return { upstream, localities: groupByLocality(toDirect(view, endpoints, choice, 1), undefined) }
}

const isResolvedByProxy = ({ resolution }: Service): boolean => resolution === 'dns' || resolution === 'dns-round-robin'

const isIpOrSocket = (address: string): boolean => isIpv4Address(address) || address.includes(':')

const hasLabels = (labels: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean => {
  for (const key in wanted) if (labels[key] !== wanted[key]) return false
  return true
}

const toDirect = (
  view: MeshView,
  endpoints: readonly Endpoint[],
  { port, labels }: EndpointChoice,
  denominator: number,
): Candidate[] => {
  const candidates: Candidate[] = []
  for (const endpoint of endpoints) {
    if (endpoint.health === 'unhealthy' || !hasLabels(endpoint.labels, labels)) continue
    const number = endpoint.ports[port.name]
    const transport = toTransport(view, endpoint)
    if (number === undefined || transport === undefined) continue
    candidates.push({
      address: endpoint.address,
      port: number,
      locality: endpoint.locality,
      weight: endpoint.weight * denominator,
      isDraining: endpoint.health === 'draining',
      transport,
    })
  }
  return candidates
}

const toRemoteOffers = (view: MeshView, { service, port, labels }: EndpointChoice): RemoteOffer[] => {
  const offers: RemoteOffer[] = []
  for (const remote of view.remoteGroups(service.key)) {
    const groups = remote.groups.filter((group) => group.ports.includes(port.name) && hasLabels(group.labels, labels))
    if (groups.length === 0) continue
    const { addresses: gateways, areAlive } = view.gateways(remote.cluster)
    if (gateways.length > 0) offers.push({ gateways, areAlive, groups })
  }
  return offers
}

const leaveUnreached = (offers: readonly RemoteOffer[], hasDirect: boolean): readonly RemoteOffer[] => {
  const alive = offers.filter(({ areAlive }) => areAlive)
  return hasDirect || alive.length > 0 ? alive : offers
}

/**
 * Envoy takes an address once per EnvoyCluster: what several groups have behind one gateway is added up, under the locality of the
 * heaviest.
 */
const toGateways = (offers: readonly RemoteOffer[], denominator: number): Candidate[] => {
  const byAddress = new Map<string, Candidate & { readonly heaviest: number }>()
  for (const { gateways, groups } of offers) {
    const sum = groups.reduce((total, { weight }) => total + weight, 0)
    const group = groups.reduce((most, other) => (other.weight > most.weight ? other : most))
    for (const { address, port } of gateways) {
      const key = `${address}|${port}`
      const known = byAddress.get(key)
      const nearer =
        known && known.heaviest >= group.weight ? known : { locality: group.locality, heaviest: group.weight }
      byAddress.set(key, {
        address,
        port,
        locality: nearer.locality,
        heaviest: nearer.heaviest,
        weight: (known?.weight ?? 0) + Math.max(1, Math.round((sum * denominator) / gateways.length)),
        isDraining: false,
        transport: 'mesh',
      })
    }
  }
  return [...byAddress.values()]
}

const groupByLocality = (candidates: readonly Candidate[], clientLocality: string | undefined): LocalityEndpoints[] => {
  const weights = fitWeights(candidates.map(({ weight }) => weight))
  const byLocality = new Map<string, UpstreamEndpoint[]>()
  for (const [index, candidate] of candidates.entries()) {
    const { address, port, isDraining, transport } = candidate
    const endpoint = { address, port, weight: weights[index] ?? 1, isDraining, transport }
    getOrAdd(byLocality, candidate.locality, (): UpstreamEndpoint[] => []).push(endpoint)
  }
  const localities = [...byLocality.keys()].sort(compareText)
  const priorities = clientLocality === undefined ? undefined : assignPriorities(localities, clientLocality)
  return localities.map((locality, index) => ({
    locality,
    priority: priorities?.[index] ?? 0,
    endpoints: byLocality.get(locality) ?? [],
  }))
}
