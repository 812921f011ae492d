import { isIpAddress } from '../config/schema/host-names.ts'
import type { ClusterName, NetworkName } from '../names.ts'
import type { Problem } from '../problem.ts'
import type { Endpoint, EndpointGroup, Service } from '../service.ts'
import type { ClusterState } from '../state.ts'
import type { DirectEndpoint, RemoteGroups } from '../view.ts'
import { toPassedPorts } from '../security/plaintext-ports.ts'
import { withDefaultExport } from '../visibility.ts'
import { toWorkloadKey } from '../workload.ts'
import { compareText } from './compare-text.ts'
import { combineEndpoints, mergeDefinitions, type PortRenames } from './merge-definitions.ts'
import { findNamesElsewhere, findNetworksOfOthers, findUnknownNetworks } from './network-problems.ts'

/** What one place says of one service. */
export interface Contribution {
  /** A cluster's catalog, a cluster's summary, or the mesh's own ServiceEntries (which are of the local cluster). */
  readonly origin: 'catalog' | 'summary' | 'mesh'
  readonly cluster: ClusterName
  readonly service: Service
  readonly endpoints: readonly Endpoint[]
  readonly groups: readonly EndpointGroup[]
  /** Only of origin `mesh`: whether it goes before what the local cluster says. */
  readonly overrides: boolean
}

export interface MergedService {
  readonly service: Service
  readonly endpoints: readonly DirectEndpoint[]
  readonly remoteGroups: readonly RemoteGroups[]
  /** Workload key → port numbers, for the local cluster's endpoints, also those on another network. */
  readonly workloadPorts: ReadonlyMap<string, Readonly<Record<string, number>>>
  /** Whether it matters which clusters are on which networks. */
  readonly dependsOnNetworks: boolean
  readonly problems: readonly Problem[]
}

/** From where the mesh is looked at, and how the other clusters stand. */
export interface Standpoint {
  readonly localCluster: ClusterName
  readonly localNetwork: NetworkName
  readonly clusterState: (cluster: ClusterName) => ClusterState | undefined
  /** The clusters on a network that are not withdrawn, sorted. */
  readonly clustersOn: (network: NetworkName) => readonly ClusterName[]
  /** Whether any cluster is on a network, a withdrawn one too. */
  readonly hasNetwork: (network: NetworkName) => boolean
  /** MeshConfig.defaultServiceExportTo */
  readonly defaultExportTo: () => readonly string[] | undefined
  /** An endpoint of the local cluster with the ports marked that take plaintext alone. */
  readonly withPlaintextPorts: (namespace: string, endpoint: Endpoint) => Endpoint
}

/**
 * One service out of all contributions to it, undefined when none counts. A cluster without a state is not in the mesh (evicted,
 * or not yet known), and nothing of it counts. The local cluster always does: nobody knows better what runs here.
 */
export const mergeService = (
  contributions: Iterable<Contribution>,
  standpoint: Standpoint,
): MergedService | undefined => {
  const counted = rankContributions(contributions, standpoint)
  const [first, ...others] = counted.map((contribution) => toDefinition(contribution, standpoint))
  if (!first) return undefined
  const merged = mergeDefinitions(first, ...others)
  const offers = counted.map((contribution) => toOffer(contribution, standpoint))

  const isOfferedLive = offers.some(
    (offer, index) => offer.standing === 'live' && offer.isUsable && merged.parts[index]?.isCompatible,
  )
  const kept = offers.map((offer) =>
    offer.standing === 'live' || (offer.standing === 'deprioritised' && !isOfferedLive) ? offer : nothing,
  )
  const endpoints = combineEndpoints(
    merged,
    kept.map((offer) => offer.endpoints),
  )
  const { localCluster, localNetwork } = standpoint
  const own = endpoints.filter(({ cluster }) => cluster === localCluster)
  return {
    service: merged.service,
    endpoints: endpoints
      .filter((endpoint) => endpoint.network === localNetwork && !isOfNetwork(endpoint))
      .map((endpoint) => toDirect(endpoint, standpoint)),
    remoteGroups: [
      ...merged.parts.flatMap(({ isCompatible, portRenames }, index) =>
        isCompatible ? (kept[index]?.remoteGroups ?? []).map((remote) => renameGroupPorts(remote, portRenames)) : [],
      ),
      ...toNetworkGroups(endpoints, standpoint),
    ],
    workloadPorts: toWorkloadPorts(merged.service, own),
    dependsOnNetworks: own.some(
      (endpoint) => isOfNetwork(endpoint) || endpoint.ofMesh !== undefined || endpoint.network !== localNetwork,
    ),
    problems: [
      ...merged.problems,
      ...findUnknownNetworks(merged.service, own, standpoint),
      ...findNamesElsewhere(merged.service, own, standpoint),
      ...counted.flatMap(({ cluster, service, endpoints: said }) =>
        cluster === localCluster ? [] : findNetworksOfOthers(cluster, service, said),
      ),
    ],
  }
}

const isOfNetwork = ({ address }: Endpoint): boolean => address === ''

/** What the mesh says of this network is a machine of any cluster there. */
const toDirect = (endpoint: Endpoint, { localCluster, localNetwork, clustersOn }: Standpoint): DirectEndpoint =>
  endpoint.ofMesh === undefined
    ? endpoint
    : { ...endpoint, clusters: [...new Set([localCluster, ...clustersOn(localNetwork)])].toSorted(compareText) }

/**
 * Istio reference: WorkloadEntry.address. "If the address is empty and network is set, the endpoint is all the gateways of that
 * network": for clients on others. An address there that the mesh tells is behind them too, whose clusters know it from the mesh. As
 * behind all gateways, what takes no mesh mTLS is not reached.
 */
const toNetworkGroups = (
  endpoints: readonly Endpoint[],
  { localNetwork, clustersOn }: Standpoint,
): readonly RemoteGroups[] => {
  const passedOn = endpoints.filter((endpoint) => isPassedOn(endpoint, localNetwork))
  return [...Map.groupBy(passedOn, ({ network }) => network)]
    .map(([network, ofNetwork]) => ({ clusters: clustersOn(network), network, groups: ofNetwork.map(toGroup) }))
    .filter(({ clusters }) => clusters.length > 0)
    .toSorted((left, right) => compareText(left.network, right.network))
}

const isPassedOn = (endpoint: Endpoint, localNetwork: NetworkName): boolean => {
  const { network, address, health, tls, ofMesh } = endpoint
  if (network === localNetwork || health !== 'healthy' || tls !== 'mutual') return false
  if (toPassedPorts(endpoint).length === 0) return false
  return isOfNetwork(endpoint) || (ofMesh !== undefined && isIpAddress(address))
}

const toGroup = (endpoint: Endpoint): EndpointGroup => {
  const { locality, labels, weight, serviceAccount } = endpoint
  return {
    locality,
    ports: toPassedPorts(endpoint),
    labels,
    weight,
    serviceAccounts: serviceAccount === undefined ? [] : [serviceAccount],
  }
}

/** The virtual IPs that another cluster gave its `Service` mean something there alone; here they may be somebody else's. */
const toDefinition = ({ cluster, service }: Contribution, { localCluster, defaultExportTo }: Standpoint): Service => {
  const exported = withDefaultExport(service, defaultExportTo())
  return cluster === localCluster || service.source === 'service-entry' ? exported : { ...exported, addresses: [] }
}

interface Offer {
  readonly endpoints: readonly Endpoint[]
  readonly remoteGroups: readonly RemoteGroups[]
}

const nothing: Offer = { endpoints: [], remoteGroups: [] }

/** What a contribution offers to clients here. */
const toOffer = (
  { cluster, service, endpoints, groups }: Contribution,
  { localCluster, localNetwork, clusterState, clustersOn, withPlaintextPorts }: Standpoint,
): Offer & { readonly standing: ClusterState['contribution']; readonly isUsable: boolean } => {
  const state = clusterState(cluster)
  const isBehindGateway = state !== undefined && state.network !== localNetwork && groups.length > 0
  // A cluster speaks for itself alone: neither an endpoint under another cluster's name nor what is on a network is believed.
  const believed = endpoints
    .filter((endpoint) => endpoint.cluster === cluster && (cluster === localCluster || !isOfNetwork(endpoint)))
    .map((endpoint) => (cluster === localCluster ? withPlaintextPorts(service.namespace, endpoint) : endpoint))
  const isUsable = (endpoint: Endpoint): boolean =>
    endpoint.network === localNetwork
      ? endpoint.health === 'healthy' && !isOfNetwork(endpoint)
      : isPassedOn(endpoint, localNetwork) && clustersOn(endpoint.network).length > 0
  return {
    standing: cluster === localCluster ? 'live' : (state?.contribution ?? 'withdrawn'),
    isUsable: isBehindGateway || believed.some(isUsable),
    endpoints: believed,
    remoteGroups: isBehindGateway ? [{ clusters: [cluster], network: state.network, groups }] : [],
  }
}

/**
 * The contributions that count, the weightiest first: the local cluster's, the mesh's own, the others by name. A mesh
 * ServiceEntry with precedence `override` goes before the local cluster's. It does not mix with the local cluster's
 * ServiceEntries for the same service: one of both counts.
 */
const rankContributions = (
  contributions: Iterable<Contribution>,
  { localCluster, clusterState }: Standpoint,
): readonly Contribution[] => {
  const known = [...contributions].filter(
    ({ cluster }) => cluster === localCluster || clusterState(cluster) !== undefined,
  )
  const mesh = known.find(({ origin }) => origin === 'mesh')
  const localEntry = known.find(
    ({ origin, cluster, service }) =>
      origin === 'catalog' && cluster === localCluster && service.source === 'service-entry',
  )
  const loser = mesh && localEntry && (mesh.overrides ? localEntry : mesh)
  const toRank = ({ origin, cluster, overrides }: Contribution): number => {
    if (origin === 'mesh') return overrides ? 0 : 2
    return cluster === localCluster ? 1 : 3
  }
  return known
    .filter((contribution) => contribution !== loser)
    .sort(
      (left, right) =>
        toRank(left) - toRank(right) ||
        compareText(left.cluster, right.cluster) ||
        compareText(left.origin, right.origin),
    )
}

const renameGroupPorts = (remote: RemoteGroups, renames: PortRenames): RemoteGroups => {
  if (renames.size === 0) return remote
  const groups = remote.groups.map((group) => ({
    ...group,
    ports: group.ports.map((name) => renames.get(name) ?? name).sort(),
  }))
  return { ...remote, groups }
}

const toWorkloadPorts = (
  service: Service,
  own: readonly Endpoint[],
): ReadonlyMap<string, Readonly<Record<string, number>>> =>
  new Map(
    own
      .filter((endpoint) => endpoint.ofMesh !== 'only' && !isOfNetwork(endpoint))
      .map(({ id, ports }) => [toWorkloadKey(service.namespace, id), ports]),
  )
