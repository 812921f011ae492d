import type { MeshConfig } from '#mesh/config/mesh-config.ts'
import type { ConnectionPool } from '#mesh/config/schema/connection-pool.ts'
import { toMilliseconds } from '#mesh/config/schema/duration.ts'
import type { IngressListener } from '#mesh/config/sidecar.ts'
import { passedOnSource } from '#mesh/kubernetes/conventions.ts'
import { selectProtocol } from '#mesh/registry-records/select-protocol.ts'
import { modeOf, resolvePeerModes, type PeerMode, type PeerModes } from '#mesh/security/peer-modes.ts'
import { isHttpProtocol, type Service } from '#mesh/service.ts'
import type { AuthorizationKey } from '#mesh/security/select-authorizations.ts'
import type { ClientAuthenticationKey } from '#mesh/security/select-client-authentications.ts'
import type { MeshView } from '#mesh/view.ts'
import { isCaptured, placeOf, toWorkloadKey, type Workload } from '#mesh/workload.ts'
import type { Access } from '#xds/model/access.ts'
import type { CalledService } from '#xds/model/called-service.ts'
import type { Listener } from '#xds/model/listener.ts'
import type { Upstream } from '#xds/model/upstream.ts'
import { compileCapturedInbound, inboundPassthrough } from './compile-captured-inbound.ts'
import {
  compileInboundChains,
  toSniffed,
  type InboundMode,
  type InboundRules,
  type InboundTraffic,
  type UnnamedPorts,
} from './compile-inbound-chains.ts'
import { compilePolicy, toEffectivePolicy } from './compile-traffic-policy.ts'
import { asksServerName, compileConnectionAccess } from './compile-access.ts'
import { takesExternalPeers } from './external-peers.ts'
import { compileHealth } from './compile-health.ts'
import { compileScrapes } from './compile-scrapes.ts'
import type { Report } from './report.ts'
import { toInboundUpstreamName } from './resource-names.ts'
import { selectDestinationPolicy } from './select-destination-policy.ts'
import { toSidecarKey, type SidecarObject } from './select-sidecar.ts'
import { toStaticDiscovery } from './static-discovery.ts'

/** A port on which a sidecar takes requests for its workload. */
interface InboundPort extends InboundTraffic {
  /** Where the sidecar listens; undefined = nowhere: the connections are captured. */
  readonly address: string | undefined
  /** Where the application listens; undefined = where the connections were made to. */
  readonly target: { readonly address: string; readonly port: number } | undefined
  /** The first of the services that are served there: what telemetry says was called. */
  readonly called: CalledService
  /** How connections to the application behave. */
  readonly pool: ConnectionPool | undefined
}

/** Before it is known how it takes connections. */
type UnmarkedPort = Omit<InboundPort, 'mode'>

export interface CompiledInbound {
  readonly listeners: readonly Listener[]
  readonly upstreams: readonly Upstream[]
}

/** What is for a workload of that which people have written. */
export interface InboundObjects {
  readonly sidecar: SidecarObject | undefined
  readonly policies: AuthorizationKey
  readonly clients: ClientAuthenticationKey
}

/** Who may call without being asked for a key, where whoever calls is to be asked. */
const nobody: Access = { audit: [], deny: [], allow: [], dryRun: { deny: [] } }

/** What a sidecar serves to the mesh: the ports of the services that its workload is an endpoint of, or its Sidecar's ingress. */
export const compileInbound = (
  view: MeshView,
  workload: Workload,
  { sidecar, policies, clients }: InboundObjects,
  report: Report,
): CompiledInbound => {
  const { namespace } = workload
  const modes = resolvePeerModes(view, { namespace, place: placeOf(workload, view.localCluster) })
  const ingress = sidecar?.spec.ingress ?? []
  const pool = sidecar?.spec.inboundConnectionPool
  const unmarked =
    ingress.length > 0 ? fromIngress(view, workload, ingress, pool) : fromServices(view, workload, pool, report)
  const wanted = unmarked.map((inbound) => ({ ...inbound, mode: toInboundMode(modeOf(modes, inbound.port)) }))
  const ports = wanted.filter((inbound) => {
    if (inbound.address !== inbound.target?.address || inbound.port !== inbound.target?.port) return true
    const object = sidecar ? toSidecarKey(sidecar) : `WorkloadEntry/${toWorkloadKey(workload.namespace, workload.name)}`
    report(object, `port ${inbound.port}: the application's own address is the sidecar's: left out`)
    return false
  })
  const { inboundTrafficPolicy, protocolDetectionTimeout } = view.meshConfig()
  const tcp = ports.filter(({ protocol }) => !isHttpProtocol(protocol) && protocol !== 'auto')
  const place = { namespace, policies, tcpPorts: tcp.map(({ port }) => port) }
  const rules: InboundRules = {
    takesExternal: takesExternalPeers(view),
    ...compileConnectionAccess(view, place, report),
    ...(clients !== '' && { untoldAccess: nobody }),
    asksServerName: asksServerName(view, policies),
    ...(inboundTrafficPolicy.mode === 'PASSTHROUGH' && { unnamed: toUnnamed(modes, ports) }),
    sniffTimeoutMs: toMilliseconds(protocolDetectionTimeout),
  }
  const trustEpoch = view.trust().epoch
  const bound = ports.flatMap(({ address, ...inbound }) =>
    address === undefined ? [] : compileListener(address, inbound, rules, trustEpoch),
  )
  const upstreams = ports.map((inbound) => compileUpstream(inbound, workload.address, view.meshConfig()))
  if (!isCaptured(workload)) return { listeners: bound, upstreams }
  const captured = ports.filter(({ address }) => address === undefined)
  const health = compileHealth(workload)
  const scrapes = compileScrapes(workload)
  // A probe may ask the same port.
  const own = new Map([...health.upstreams, ...scrapes.upstreams].map((upstream) => [upstream.name, upstream]))
  return {
    listeners: [compileCapturedInbound(captured, rules, trustEpoch), health.listener, ...scrapes.listeners, ...bound],
    upstreams: [...upstreams, inboundPassthrough, ...own.values()],
  }
}

/** Those that a PeerAuthentication names and no service. */
const toUnnamed = (modes: PeerModes, named: readonly InboundPort[]): UnnamedPorts => {
  const others = [...modes.ports].filter(([port]) => !named.some((inbound) => inbound.port === port))
  const mode = toInboundMode(modes.rest)
  return {
    mode,
    ports: others
      .map(([port, own]) => ({ port, mode: toInboundMode(own) }))
      .filter((own) => own.mode !== mode)
      .toSorted((left, right) => left.port - right.port),
  }
}

const inboundModes: Readonly<Record<PeerMode['mode'], InboundMode>> = {
  STRICT: 'strict',
  PERMISSIVE: 'permissive',
  DISABLE: 'plaintext',
}
const toInboundMode = ({ mode }: PeerMode): InboundMode => inboundModes[mode]

const loopback = '127.0.0.1'

const fromServices = (
  view: MeshView,
  workload: Workload,
  pool: ConnectionPool | undefined,
  report: Report,
): UnmarkedPort[] => {
  const byNumber = new Map<number, UnmarkedPort>()
  const isLocal = view.meshConfig().inboundTrafficPolicy.mode === 'LOCALHOST'
  for (const { service: key, ports } of view.workloadServices(toWorkloadKey(workload.namespace, workload.name))) {
    const service = view.service(key)
    for (const { name, protocol, number: servicePort } of service?.ports ?? []) {
      const number = ports[name]
      if (!service || number === undefined) continue
      const known = byNumber.get(number)
      if (known && known.protocol !== protocol) {
        report(
          `Service/${key}`,
          `port ${number} of ${workload.name} is ${known.protocol} for ${known.hostnames[0] ?? ''}, not ${protocol}`,
        )
      }
      byNumber.set(number, {
        ...(isCaptured(workload)
          ? { address: undefined, target: isLocal ? { address: loopback, port: number } : undefined }
          : { address: workload.address, target: { address: loopback, port: number } }),
        port: number,
        protocol: known?.protocol ?? protocol,
        hostnames: [...(known?.hostnames ?? []), service.hostname],
        called: known?.called ?? { service: key, port: servicePort },
        ...toPoolFields(pool ?? known?.pool ?? toServicePool(view, service, servicePort)),
      })
    }
  }
  return [...byNumber.values()].sort((left, right) => left.port - right.port)
}

/** Istio reference: Sidecar.ingress: "inbound ports are configured if and only if the workload instance is associated with a service". */
const fromIngress = (
  view: MeshView,
  workload: Workload,
  ingress: readonly IngressListener[],
  pool: ConnectionPool | undefined,
): UnmarkedPort[] => {
  const services = view.workloadServices(toWorkloadKey(workload.namespace, workload.name))
  const served = services.flatMap(({ service }) => view.service(service) ?? [])
  const hostnames = served.map(({ hostname }) => hostname)
  const [first] = served
  if (first === undefined) return []
  return ingress.flatMap(({ port, bind, defaultEndpoint, captureMode, connectionPool }) => {
    if (port.number === undefined) return []
    const comesCaptured = isCaptured(workload) && captureMode !== 'NONE'
    return {
      address: comesCaptured ? undefined : (bind ?? workload.address),
      port: port.number,
      protocol: selectProtocol({ explicit: port.protocol, name: port.name ?? '', number: port.number }),
      target:
        comesCaptured && defaultEndpoint === undefined ? undefined : toTarget(defaultEndpoint, port.number, workload),
      hostnames,
      called: { service: first.key, port: port.number },
      ...toPoolFields(connectionPool ?? pool ?? toServicePool(view, first, port.number)),
    }
  })
}

const toPoolFields = (pool: ConnectionPool | undefined): Pick<InboundPort, 'pool' | 'idleTimeoutMs'> => {
  const idleTimeout = pool?.tcp?.idleTimeout
  return { pool, ...(idleTimeout && { idleTimeoutMs: toMilliseconds(idleTimeout) }) }
}

/** Istio reference: Sidecar.inboundConnectionPool: a service's DestinationRule holds for its servers' sidecars too; who calls is not looked at. */
const toServicePool = (view: MeshView, service: Service, port: number): ConnectionPool | undefined => {
  const { trafficPolicy } = selectDestinationPolicy(view, service, { namespace: service.namespace, selectors: [] })
  return toEffectivePolicy(trafficPolicy, undefined, port).connectionPool
}

/** Istio reference: IstioIngressListener.defaultEndpoint: loopback means loopback, "0.0.0.0" the workload's own address. */
const toTarget = (
  endpoint: IngressListener['defaultEndpoint'],
  port: number,
  workload: Workload,
): NonNullable<InboundPort['target']> => {
  if (endpoint === undefined) return { address: loopback, port }
  if (endpoint.startsWith('unix://')) return { address: endpoint, port: 0 }
  const colon = endpoint.lastIndexOf(':')
  const host = endpoint.slice(0, colon).replace(/^\[|\]$/g, '')
  const address = host === '0.0.0.0' || host === '::' ? workload.address : host || loopback
  return { address, port: Number(endpoint.slice(colon + 1)) }
}

const compileUpstream = (
  { address, port, protocol, target, called, pool }: InboundPort,
  ownAddress: string,
  mesh: MeshConfig,
): Upstream => {
  const name = toInboundUpstreamName(port)
  // Else it would be captured, having come from the proxy to its own pod.
  const isToCapture = address === undefined && (target === undefined || target.address === ownAddress)
  return {
    name,
    discovery: target ? toStaticDiscovery(name, target) : { kind: 'original-destination' },
    ...(isToCapture && { sourceAddress: passedOnSource }),
    protocol:
      protocol === 'auto' ? 'downstream' : protocol === 'http' ? 'http1' : isHttpProtocol(protocol) ? 'http2' : 'tcp',
    tls: { mode: 'none' },
    policy: { ...compilePolicy({ connectionPool: pool }, mesh), loadBalancer: { kind: 'round-robin' } },
    trustEpoch: 0,
    called,
  }
}

const compileListener = (
  address: string,
  inbound: InboundTraffic,
  rules: InboundRules,
  trustEpoch: number,
): Listener => ({
  name: `inbound_${address}_${inbound.port}`,
  address,
  port: inbound.port,
  direction: 'inbound',
  inspectors: toSniffed(inbound, rules).map((kind) => ({ kind })),
  chains: compileInboundChains(inbound, rules),
  trustEpoch,
})
