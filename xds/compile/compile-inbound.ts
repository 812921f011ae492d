import type { IngressListener } from '#mesh/kinds/sidecar.ts'
import { selectProtocol } from '#mesh/registry-records/select-protocol.ts'
import { isHttpProtocol, type Protocol } from '#mesh/service.ts'
import type { MeshView } from '#mesh/view.ts'
import { toWorkloadKey, type Workload } from '#mesh/workload.ts'
import type { ChainMatch, FilterChain, HttpHandler, Listener, TcpHandler } from '#xds/model/listener.ts'
import type { Upstream } from '#xds/model/upstream.ts'
import { anyRequest } from './compile-http-match.ts'
import type { Report } from './report.ts'
import { toInboundUpstreamName } from './resource-names.ts'
import { toSidecarKey, type SidecarObject } from './select-sidecar.ts'

/** A port on which a sidecar takes requests for its workload. */
interface InboundPort {
  readonly address: string
  readonly port: number
  readonly protocol: Protocol
  /** Where the application listens. */
  readonly target: { readonly address: string; readonly port: number }
  /** The services that are served there. */
  readonly hostnames: readonly string[]
}

export interface CompiledInbound {
  readonly listeners: readonly Listener[]
  readonly upstreams: readonly Upstream[]
}

/** What a sidecar serves to the mesh: the ports of the services that its workload is an endpoint of, or its Sidecar's ingress. */
export const compileInbound = (
  view: MeshView,
  workload: Workload,
  sidecar: SidecarObject | undefined,
  report: Report,
): CompiledInbound => {
  const ingress = sidecar?.spec.ingress ?? []
  const wanted = ingress.length > 0 ? fromIngress(view, workload, ingress) : fromServices(view, workload, report)
  const ports = wanted.filter((inbound) => {
    if (inbound.address !== inbound.target.address || inbound.port !== inbound.target.port) return true
    const object = sidecar ? toSidecarKey(sidecar) : `WorkloadEntry/${toWorkloadKey(workload.namespace, workload.name)}`
    report(object, `port ${inbound.port}: the application's own address is the sidecar's: left out`)
    return false
  })
  const { inboundMtls } = view.settings()
  const trustEpoch = view.trust().epoch
  return {
    listeners: ports.map((inbound) => compileListener(inbound, inboundMtls, trustEpoch)),
    upstreams: ports.map(compileUpstream),
  }
}

const loopback = '127.0.0.1'

const fromServices = (view: MeshView, workload: Workload, report: Report): InboundPort[] => {
  const byNumber = new Map<number, InboundPort>()
  for (const { service: key, ports } of view.workloadServices(toWorkloadKey(workload.namespace, workload.name))) {
    const service = view.service(key)
    for (const { name, protocol } of service?.ports ?? []) {
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
        address: workload.address,
        port: number,
        protocol: known?.protocol ?? protocol,
        target: { address: loopback, port: number },
        hostnames: [...(known?.hostnames ?? []), service.hostname],
      })
    }
  }
  return [...byNumber.values()].sort((left, right) => left.port - right.port)
}

/** Istio reference: Sidecar.ingress: "inbound ports are configured if and only if the workload instance is associated with a service". */
const fromIngress = (view: MeshView, workload: Workload, ingress: readonly IngressListener[]): InboundPort[] => {
  const services = view.workloadServices(toWorkloadKey(workload.namespace, workload.name))
  if (services.length === 0) return []
  const hostnames = services.flatMap(({ service }) => view.service(service)?.hostname ?? [])
  return ingress.flatMap(({ port, bind, defaultEndpoint }) => {
    if (port.number === undefined) return []
    return {
      address: bind ?? workload.address,
      port: port.number,
      protocol: selectProtocol({ explicit: port.protocol, name: port.name ?? '', number: port.number }),
      target: toTarget(defaultEndpoint, port.number, workload),
      hostnames,
    }
  })
}

/** Istio reference: IstioIngressListener.defaultEndpoint: loopback means loopback, "0.0.0.0" the workload's own address. */
const toTarget = (
  endpoint: IngressListener['defaultEndpoint'],
  port: number,
  workload: Workload,
): InboundPort['target'] => {
  if (endpoint === undefined) return { address: loopback, port }
  if (endpoint.startsWith('unix://')) return { address: endpoint, port: 0 }
  const colon = endpoint.lastIndexOf(':')
  const host = endpoint.slice(0, colon).replace(/^\[|\]$/g, '')
  const address = host === '0.0.0.0' || host === '::' ? workload.address : host || loopback
  return { address, port: Number(endpoint.slice(colon + 1)) }
}

const compileUpstream = ({ port, protocol, target }: InboundPort): Upstream => {
  const name = toInboundUpstreamName(port)
  const endpoint = { ...target, weight: 1, isDraining: false, isPlaintext: false }
  return {
    name,
    discovery: {
      kind: 'static',
      assignment: { upstream: name, localities: [{ locality: '', priority: 0, endpoints: [endpoint] }] },
    },
    protocol:
      protocol === 'auto' ? 'downstream' : protocol === 'http' ? 'http1' : isHttpProtocol(protocol) ? 'http2' : 'tcp',
    tls: { mode: 'none' },
    policy: { loadBalancer: { kind: 'round-robin' }, connectTimeoutMs: 10_000, limits: {} },
    trustEpoch: 0,
  }
}

const httpAlpn = ['h2', 'http/1.1']
const plaintextHttp = ['http/1.0', 'http/1.1', 'h2c']

/**
 * Strict: mesh mTLS alone. Permissive: plaintext as well, told apart by the TLS inspector; what is TLS for the application itself, by the
 * SNI that mesh clients send ("outbound_.<port>_.<subset>_.<host>"). A sniffed port is HTTP when the client's ALPN, or its first bytes
 * in plaintext, say so.
 */
const compileListener = (inbound: InboundPort, mode: 'strict' | 'permissive', trustEpoch: number): Listener => {
  const { address, port, protocol } = inbound
  const isPermissive = mode === 'permissive'
  const isHttp = isHttpProtocol(protocol)
  const isAuto = protocol === 'auto'
  const isTlsInside = isPermissive && (protocol === 'https' || protocol === 'tls')

  const meshMatch: ChainMatch = {
    ...((isPermissive || isAuto) && { transport: 'tls' }),
    ...(isTlsInside && { serverNames: inbound.hostnames.map((hostname) => `*.${hostname.replace(/^\*\./, '')}`) }),
  }
  const meshTcp: FilterChain = { match: meshMatch, mtls: { alpn: [] }, handler: compileTcpHandler(inbound) }
  const meshHttp: FilterChain = {
    match: meshMatch,
    mtls: { alpn: httpAlpn },
    handler: compileHttpHandler(inbound, 'set'),
  }
  const mesh = isAuto
    ? [{ ...meshHttp, match: { ...meshMatch, applicationProtocols: httpAlpn } }, meshTcp]
    : [isHttp ? meshHttp : meshTcp]

  const plainMatch: ChainMatch = { transport: 'raw_buffer' }
  const plainTcp: FilterChain = { match: isTlsInside ? {} : plainMatch, handler: compileTcpHandler(inbound) }
  const plainHttp: FilterChain = { match: plainMatch, handler: compileHttpHandler(inbound, 'strip') }
  const plain = isAuto
    ? [{ ...plainHttp, match: { ...plainMatch, applicationProtocols: plaintextHttp } }, plainTcp]
    : [isHttp ? plainHttp : plainTcp]

  return {
    name: `inbound_${address}_${port}`,
    address,
    port,
    direction: 'inbound',
    inspectors: [
      ...(isPermissive || isAuto ? ['tls' as const] : []),
      ...(isPermissive && isAuto ? ['http' as const] : []),
    ],
    chains: isPermissive ? [...mesh, ...plain] : mesh,
    trustEpoch,
  }
}

const compileHttpHandler = ({ port }: InboundPort, clientCertificate: 'set' | 'strip'): HttpHandler => {
  const name = toInboundUpstreamName(port)
  const forward = { kind: 'forward' as const, destinations: [{ upstream: name, weight: 1 }], timeoutMs: 0 }
  return {
    kind: 'http',
    statPrefix: `inbound_${port}`,
    routes: {
      kind: 'inline',
      name,
      virtualHosts: [{ name, domains: ['*'], routes: [{ match: anyRequest, action: forward }], retries: undefined }],
    },
    clientCertificate,
    isForwardProxy: false,
    upgrades: ['websocket'],
  }
}

const compileTcpHandler = ({ port }: InboundPort): TcpHandler => ({
  kind: 'tcp',
  statPrefix: `inbound_${port}`,
  destinations: [{ upstream: toInboundUpstreamName(port), weight: 1 }],
  hashesSourceIp: false,
})
