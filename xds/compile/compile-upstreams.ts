import { passedConnectionSeconds } from '#mesh/passed-connection.ts'
import { toMilliseconds } from '#mesh/config/schema/duration.ts'
import { isWildcard } from '#mesh/config/schema/host-names.ts'
import { toPolicyLevels } from '#mesh/policy-levels.ts'
import { takesMutualTls } from '#mesh/security/plaintext-ports.ts'
import { tellsNodes, type Protocol, type Service, type ServicePort } from '#mesh/service.ts'
import type { MeshView } from '#mesh/view.ts'
import type { LoadAssignment, LoadAssignmentByNode } from '#xds/model/load-assignment.ts'
import type { Discovery, Upstream, UpstreamPolicy, UpstreamProtocol, UpstreamTls } from '#xds/model/upstream.ts'
import type { MeshConfig } from '#mesh/config/mesh-config.ts'
import type { ReachedService } from './compile-destination.ts'
import { compileAssignmentsByNode } from './compile-assignments-by-node.ts'
import { compileLoadAssignment } from './compile-load-assignment.ts'
import { compileLocality, toLocalityInterest, withDistribution, type LocalityPreference } from './compile-locality.ts'
import { compilePolicy, toEffectivePolicy, withMeshDefaults, type EffectivePolicy } from './compile-traffic-policy.ts'
import { toTransport } from './external-peers.ts'
import { compileUpstreamTls, findMeshPeers } from './compile-upstream-tls.ts'
import type { Report } from './report.ts'
import { findReachableEndpoints, type ReachableEndpoints } from './service-endpoints.ts'
import { toUpstreamName } from './resource-names.ts'
import type { DestinationPolicy } from './select-destination-policy.ts'

/** What of a client upstreams may depend on. */
export interface UpstreamClient {
  readonly locality: string
  /** Those that failover priorities look at. */
  readonly labels: Readonly<Record<string, string>>
  /** Whether its connections are captured, so that it is known where they were made to. */
  readonly isCaptured: boolean
  /** The namespace whose Secrets it is given; absent = none. */
  readonly secretsOf?: string
  /** Whether it is given those alone that are named by a rule whose workloadSelector selects it: a sidecar. */
  readonly needsSelection?: boolean
}

export interface CompiledUpstream {
  readonly upstream: Upstream
  /** Served apart from the upstream; undefined when the upstream holds its endpoints itself, or has none. */
  readonly assignment: LoadAssignment | undefined
  /** The same for the clients on each node, of a service that tells nodes apart. */
  readonly byNode?: LoadAssignmentByNode
}

/** The node of clients that are on that of no endpoint. */
const noNode = ''

/**
 * Whether captured connections to a service go where they were made to: a headless Service's clients choose the endpoint themselves, and
 * nobody knows those of a ServiceEntry with resolution NONE.
 */
export const keepsDestination = (service: Service): boolean =>
  (service.resolution === 'none' && !service.isNamedByClient) || isHeadless(service)

/** Whether the proxy resolves the host that each client names. */
export const followsNames = (service: Service, client: { readonly isCaptured: boolean }): boolean =>
  service.resolution === 'none' && !(client.isCaptured && keepsDestination(service))

/** Istio reference: LoadBalancerSettings.SimpleLB PASSTHROUGH. */
const passesThrough = ({ loadBalancer }: EffectivePolicy): boolean => loadBalancer?.simple === 'PASSTHROUGH'

/** A Service without a virtual address: its name resolves to its endpoints. */
export const isHeadless = ({ source, addresses, resolution }: Service): boolean =>
  source === 'service' && resolution === 'static' && addresses.length === 0

/** The upstreams of a service: each port, as a whole and by subset. */
export const compileUpstreams = (
  view: MeshView,
  service: Service,
  policy: DestinationPolicy,
  { locality, labels, isCaptured, secretsOf }: UpstreamClient,
  report: Report,
): CompiledUpstream[] => {
  const meshConfig = view.meshConfig()
  const place = {
    locality,
    labels,
    cluster: view.localCluster,
    network: view.localNetwork,
    node: tellsNodes(service) ? noNode : undefined,
  }
  const reachable = findReachableEndpoints(view, service)
  const peers = findMeshPeers(view, service, reachable)
  const whole = { name: '', labels: {}, trafficPolicy: undefined }
  return service.ports.flatMap((port) =>
    [whole, ...policy.subsets].map((subset) => {
      const ofRule = toEffectivePolicy(policy.trafficPolicy, subset.trafficPolicy, port.number)
      const effective = withMeshDefaults(withDistribution(ofRule, service), meshConfig)
      const name = toUpstreamName(port.number, subset.name, service.hostname)
      const isOriginal = isCaptured && (keepsDestination(service) || passesThrough(effective))
      if (passesThrough(effective) && !isOriginal)
        report(`Service/${service.key}`, 'PASSTHROUGH needs captured connections: others are balanced by least request')
      const protocol = toUpstreamProtocol(port.protocol, effective, meshConfig)
      const ofMarked =
        isOriginal &&
        !effective.tls &&
        service.resolution !== 'none' &&
        !speaksMeshTls(service, port, reachable, report)
          ? { mode: 'none' as const }
          : compileUpstreamTls(
              view,
              { service, port, subset: subset.name, peers },
              effective.tls,
              protocol,
              secretsOf,
              report,
            )
      const tls = isOriginal ? toUnmarked(view, { service, port }, reachable, ofMarked, report) : ofMarked
      const reached = tls.mode === 'mesh' ? reachable : withoutGateways(service, reachable, report)
      const preference = compileLocality(effective, place)
      const choice = { service, port, labels: subset.labels ?? {}, preference }
      const assignment = compileLoadAssignment(view, name, reached, choice, report)
      const discovery: Discovery = isOriginal
        ? { kind: 'original-destination' }
        : compileDiscovery(service, port, assignment, meshConfig)
      const upstream: Upstream = {
        name,
        ...((subset !== whole || policy.trafficPolicy) && { ruledBy: policy.key }),
        discovery,
        protocol,
        tls,
        ...(effective.proxyProtocol && { proxyProtocol: effective.proxyProtocol.version }),
        policy: {
          ...(reached.remote.length > 0 &&
            protocol !== 'tcp' && { maxConnectionDurationMs: passedConnectionSeconds * 1000 }),
          ...compilePolicy(effective, meshConfig),
          ...(preference && compileSpread(preference, effective, discovery)),
        },
        trustEpoch: tls.mode === 'mesh' || tls.mode === 'external' ? view.trust().epoch : 0,
        called: { service: service.key, port: port.number, ...(subset.name !== '' && { subset: subset.name }) },
      }
      if (discovery.kind !== 'eds') return { upstream, assignment: undefined }
      return {
        upstream,
        assignment,
        ...(tellsNodes(service) && { byNode: compileAssignmentsByNode(view, assignment, reached, choice) }),
      }
    }),
  )
}

/** Gateways pass on mesh mTLS alone: anything else would cross networks, perhaps in clear, to be refused there. */
const withoutGateways = (
  { key }: Service,
  { direct, remote }: ReachableEndpoints,
  report: Report,
): ReachableEndpoints => {
  if (remote.length > 0)
    report(`Service/${key}`, 'is not reached on other networks: their gateways pass on nothing but mesh mTLS')
  return { direct, remote: [] }
}

/** Envoy can't tell the endpoints of an original destination apart: all of them get mesh mTLS as soon as one takes it. */
const speaksMeshTls = (
  service: Service,
  port: ServicePort,
  { direct, remote }: ReachableEndpoints,
  report: Report,
): boolean => {
  const mutual = direct.filter((endpoint) => takesMutualTls(endpoint, endpoint.ports[port.name])).length
  if (mutual > 0 && mutual < direct.length)
    report(
      `Service/${service.key}`,
      'is headless, and some of its endpoints have no sidecar, or one that takes plaintext: those are not reached',
    )
  // Where all are elsewhere they are the mesh's.
  return mutual > 0 || (direct.length === 0 && remote.length > 0)
}

/** Endpoints of an original destination carry no marks: they are all Istio's, or are taken for Atoll's. */
const toUnmarked = (
  view: MeshView,
  { service, port }: { readonly service: Service; readonly port: ServicePort },
  { direct }: ReachableEndpoints,
  tls: UpstreamTls,
  report: Report,
): UpstreamTls => {
  if (tls.mode !== 'mesh' || !tls.external) return tls
  const { sni, external, ...ofMesh } = tls
  const isExternal = direct
    .filter((endpoint) => takesMutualTls(endpoint, endpoint.ports[port.name]))
    .every((endpoint) => toTransport(view, endpoint) === 'external')
  if (isExternal) return { mode: 'external', sni, ...external }
  report(`Service/${service.key}`, "is headless, and some of its endpoints have Istio's sidecar: those are not reached")
  return { sni, ...ofMesh }
}

/** The client without what makes no difference to this service's upstreams. */
export const toUpstreamClient = (
  view: MeshView,
  { service, policy }: ReachedService,
  client: UpstreamClient,
): UpstreamClient => {
  const meshConfig = view.meshConfig()
  const policies = [{}, ...toPolicyLevels<EffectivePolicy>(policy)].map((each) =>
    withMeshDefaults(withDistribution(each, service), meshConfig),
  )
  const interest = toLocalityInterest(policies)
  const labels = Object.entries(client.labels).filter(([label]) => interest.labels.has(label))
  return {
    locality: interest.locality ? client.locality : '',
    labels: Object.fromEntries(labels),
    isCaptured: client.isCaptured && (keepsDestination(service) || policies.some(passesThrough)),
    ...(client.secretsOf !== undefined &&
      (policy.isForSelected || !client.needsSelection) &&
      policies.some(({ tls }) => tls?.credentialName !== undefined) && { secretsOf: client.secretsOf }),
  }
}

/** Without panic: what is left of near endpoints is not to be drowned by those that are ending. */
const compileSpread = (
  { kind }: LocalityPreference,
  { outlierDetection }: EffectivePolicy,
  discovery: Discovery,
): Pick<UpstreamPolicy, 'panicPercent' | 'sharesByLocality'> => ({
  panicPercent: outlierDetection?.minHealthPercent ?? 0,
  ...(kind === 'distribute' && hasEndpoints(discovery) && { sharesByLocality: true }),
})

/** Envoy: where connections go is the load balancer's to choose. */
const hasEndpoints = ({ kind }: Discovery): boolean => kind !== 'original-destination' && kind !== 'forward-proxy'

/** Istio reference: MeshConfig.dnsRefreshRate. */
const defaultDnsRefreshMs = 60_000

const compileDiscovery = (
  service: Service,
  port: ServicePort,
  assignment: LoadAssignment,
  { dnsRefreshRate }: MeshConfig,
): Discovery => {
  if (service.resolution === 'static') return { kind: 'eds' }
  if (service.resolution === 'none') return { kind: 'forward-proxy' }
  const isServed = assignment.localities.length > 0 && service.aliasOf === undefined
  const named = isServed ? assignment : toOwnHost(service, port, assignment)
  const endpointCount = named.localities.reduce((count, { endpoints }) => count + endpoints.length, 0)
  // Envoy refuses a logical DNS cluster with several endpoints.
  const isLogical = service.resolution === 'dns-round-robin' && endpointCount === 1
  const refreshMs = dnsRefreshRate === undefined ? defaultDnsRefreshMs : toMilliseconds(dnsRefreshRate)
  return { kind: isLogical ? 'logical-dns' : 'strict-dns', assignment: named, refreshMs }
}

/** A service without endpoints that is to be resolved is found under its own name, or the one that it is an alias of (Istio reference: ServiceEntry.resolution DNS). */
const toOwnHost = ({ hostname, aliasOf }: Service, port: ServicePort, assignment: LoadAssignment): LoadAssignment => {
  if (isWildcard(hostname)) return assignment
  const endpoint = {
    address: aliasOf ?? hostname,
    port: port.number,
    weight: 1,
    isDraining: false,
    transport: 'plaintext' as const,
  }
  return { ...assignment, localities: [{ locality: '', priority: 0, endpoints: [endpoint] }] }
}

const toUpstreamProtocol = (
  protocol: Protocol,
  { connectionPool }: EffectivePolicy,
  mesh: MeshConfig,
): UpstreamProtocol => {
  const { useClientProtocol = false, h2UpgradePolicy = 'DEFAULT' } = connectionPool?.http ?? {}
  // The mesh's word is for ports that are said to be HTTP.
  const isUpgraded =
    h2UpgradePolicy === 'UPGRADE' ||
    (h2UpgradePolicy === 'DEFAULT' && protocol === 'http' && mesh.h2UpgradePolicy === 'UPGRADE')
  switch (protocol) {
    case 'http':
      return useClientProtocol ? 'downstream' : isUpgraded ? 'http2' : 'http1'
    case 'http2':
    case 'grpc':
    case 'grpc-web':
      return useClientProtocol ? 'downstream' : 'http2'
    case 'auto':
      return isUpgraded ? 'http2' : 'downstream'
    case 'https':
    case 'tls':
    case 'tcp':
      return 'tcp'
  }
}
