import { splitServiceKey } from '#mesh/names.ts'
import { isHttpProtocol } from '#mesh/service.ts'
import type { MeshView } from '#mesh/view.ts'
import type { HttpHandler, Listener, TcpHandler } from '#xds/model/listener.ts'
import type { Egress, EgressPoint } from './compile-egress.ts'
import {
  compileServiceTcp,
  toPathsAt,
  type ServiceOnPort,
  type TcpClient,
  type TcpPath,
} from './compile-service-tcp.ts'
import { isTakenBy } from './host-filter.ts'
import { compileTlsChains } from './compile-tls-chains.ts'
import type { Report } from './report.ts'
import { isReachedBy, resolveAlias, selectService } from './select-service.ts'

/** For whom listeners are, and where. */
export interface OutboundClient extends TcpClient {
  /** Where egress points without an address of their own listen. */
  readonly loopback: string
  /** The Sidecar object, for what is wrong with it. */
  readonly object: string
}

/** A sidecar's listeners for its own application, one per egress point. */
export const compileOutboundListeners = (
  view: MeshView,
  egress: Egress,
  client: OutboundClient,
  report: Report,
): Listener[] =>
  egress.points.flatMap((point) => {
    const address = point.bind ?? client.loopback
    const chains = compileChains(view, { ...point, bind: address }, client, report)
    if (!chains) return []
    return {
      name: `outbound_${address}_${point.port}`,
      ...(client.object !== '' && { scopedBy: client.object }),
      address,
      port: point.port,
      direction: 'outbound',
      ...(point.isCaptured && { role: 'inner' as const }),
      ...chains,
      // Envoy never closes an open TCP connection for a change of its EnvoyCluster, only for one of its listener.
      trustEpoch: view.trust().epoch,
    }
  })

type Chains = Pick<Listener, 'inspectors' | 'chains' | 'selection' | 'defaultChain'>

const compileChains = (
  view: MeshView,
  point: EgressPoint,
  client: OutboundClient,
  report: Report,
): Chains | undefined => {
  switch (point.protocol) {
    case 'http': {
      const handler = compileHttp(point)
      return handler && { inspectors: [], chains: [{ match: {}, handler }] }
    }
    case 'tcp': {
      const handler = compileTcp(view, point, client, report)
      return handler && { inspectors: [], chains: [{ match: {}, handler }] }
    }
    case 'tls': {
      const paths = toTargets(view, point, client).flatMap((target) =>
        compilePaths(view, target, point, client, report).map((path) => ({
          ...path,
          hostname: target.service.hostname,
        })),
      )
      return paths.length > 0 ? compileTlsChains(paths) : undefined
    }
    case 'auto': {
      const http = compileHttp(point)
      const tcp = compileTcp(view, point, client, report)
      return (
        http && {
          inspectors: [{ kind: 'http' }],
          chains: [{ match: { applicationProtocols: ['http/1.0', 'http/1.1', 'h2c'] }, handler: http }],
          ...(tcp && { defaultChain: { match: {}, handler: tcp } }),
        }
      )
    }
  }
}

const compileHttp = ({ scope }: EgressPoint): HttpHandler | undefined =>
  scope && {
    kind: 'http',
    statPrefix: `outbound_${scope.name}`,
    routes: { kind: 'rds', name: scope.name },
    clientCertificate: 'strip',
    isForwardProxy: true,
    upgrades: scope.port === undefined ? ['websocket', 'CONNECT'] : ['websocket'],
  }

/** A TCP connection names no host: one service can be behind the port. */
const compileTcp = (
  view: MeshView,
  point: EgressPoint,
  client: OutboundClient,
  report: Report,
): TcpHandler | undefined => {
  const [target, ...others] = toTargets(view, point, client).filter(
    ({ port }) => point.protocol === 'tcp' || !isHttpProtocol(port.protocol),
  )
  if (!target) {
    if (point.protocol === 'tcp')
      report(client.object, `egress port ${point.port}: no TCP service with this port is among its hosts`)
    return undefined
  }
  if (others.length > 0) {
    const names = others.map(({ service }) => service.hostname).join(', ')
    report(
      client.object,
      `egress port ${point.port} leads to ${target.service.hostname}: TCP can't tell it from ${names}`,
    )
  }
  return compilePaths(view, target, point, client, report)[0]?.handler
}

/** The protocol of the egress point counts, not that of the service's port. */
const compilePaths = (
  view: MeshView,
  { service, port }: ServiceOnPort,
  point: EgressPoint,
  client: OutboundClient,
  report: Report,
): TcpPath[] => {
  const target = { service, port: { ...port, protocol: point.protocol }, statPort: point.port, hosts: point.hosts }
  const address = point.bind?.startsWith('unix://') ? undefined : point.bind
  return toPathsAt(compileServiceTcp(view, target, client, report), address)
}

/** The services behind an egress point that have its port (any port, for a Unix domain socket), sorted by key. */
const toTargets = (view: MeshView, point: EgressPoint, { namespace }: OutboundClient): ServiceOnPort[] => {
  const hostnames = new Set<string>()
  for (const key of view.serviceKeys()) {
    const { namespace: owner, hostname } = splitServiceKey(key)
    if (isTakenBy(point.hosts, owner, hostname)) hostnames.add(hostname)
  }
  return [...hostnames].flatMap((hostname) => {
    const service = selectService(view, view.servicesByHostname(hostname), namespace)
    const port = service?.ports.find(({ number }) => point.port === 0 || number === point.port)
    if (!service || !port) return []
    const reached = { named: service, service: resolveAlias(view, service, namespace) }
    return isReachedBy(point.hosts, reached) ? [{ service, port }] : []
  })
}
