import { isPassthrough } from '#mesh/config/schema/server-tls.ts'
import { isUnixAddress } from '#mesh/config/schema/host-names.ts'
import { getOrAdd } from '#mesh/merge/get-or-add.ts'
import type { AuthorizationKey } from '#mesh/security/select-authorizations.ts'
import type { MeshView } from '#mesh/view.ts'
import type { ChainMatch, FilterChain, HttpHandler, Listener, SniHandler, TcpHandler } from '#xds/model/listener.ts'
import { compileConnectionAccess } from './compile-access.ts'
import { compileRoute, selectTcp, selectTls, type Way } from './compile-connection-paths.ts'
import type { ReachedService } from './compile-destination.ts'
import { compileGatewayTls } from './compile-gateway-tls.ts'
import type { RequestOrigin } from './compile-http-match.ts'
import { mergeServers, type ListenPlace, type MergedServer, type ServerGroup, type ServerKey } from './merge-servers.ts'
import {
  intersectHosts,
  intersectNames,
  selectBound,
  toGatewayOrigin,
  type GatewayClient,
} from './plan-gateway-hosts.ts'
import { toTcpHandler } from './compile-service-tcp.ts'
import type { Report } from './report.ts'
import { blackHoleUpstream } from './resource-names.ts'
import type { VirtualService } from './select-virtual-service.ts'

/** What of a gateway's proxy its listeners depend on. */
export interface GatewayPlace extends GatewayClient, ListenPlace {
  /** For its own workload. */
  readonly policies: AuthorizationKey
}

export interface CompiledGateway {
  readonly listeners: readonly Listener[]
  /** The servers of each route configuration. */
  readonly routes: ReadonlyMap<string, readonly ServerKey[]>
  /** The services that connections are passed on to. */
  readonly reached: readonly ReachedService[]
  /** The hosts whose services other networks may ask for by SNI (AUTO_PASSTHROUGH). */
  readonly passedOn: readonly string[]
}

/** What the Gateway objects that select a proxy make of it. Istio: pilot/pkg/networking/core/gateway.go. */
export const compileGatewayObjects = (view: MeshView, place: GatewayPlace, report: Report): CompiledGateway => {
  const routes = new Map<string, ServerKey[]>()
  const reached: ReachedService[] = []
  const passedOn: string[] = []
  const listeners = mergeServers(view, place, report).flatMap((group) => {
    const toGuarded = (handler: FilterChain['handler']): FilterChain['handler'] =>
      handler.kind === 'tcp'
        ? { ...handler, ...compileConnectionAccess(view, { ...place, tcpPorts: [group.port] }, report) }
        : handler
    const chains = group.servers.flatMap((merged) => {
      if (merged.routes !== undefined) {
        const { gateway, portName } = merged
        getOrAdd(routes, merged.routes, () => []).push({ gateway, portName })
      }
      if (merged.server.tls?.mode === 'AUTO_PASSTHROUGH') passedOn.push(...merged.hosts.map(({ host }) => host))
      const compiled = compileServer(view, merged, place, report)
      reached.push(...compiled.reached)
      return leaveToOwners(compiled.chains, merged, group).map((chain) => ({
        ...chain,
        handler: toGuarded(chain.handler),
        object: `Gateway/${merged.gateway}`,
      }))
    })
    return chains.length > 0 ? [toListener(view, group, place, leaveRepeated(group, chains, report))] : []
  })
  return { listeners, routes, reached, passedOn }
}

const toListener = (view: MeshView, group: ServerGroup, place: GatewayPlace, chains: FilterChain[]): Listener => {
  const address = group.bind ?? place.address
  return {
    name: isUnixAddress(address) ? address : `${address}_${group.port}`,
    address,
    port: group.port,
    direction: 'outbound',
    inspectors: group.kind === 'tls' ? [{ kind: 'tls' }] : [],
    chains,
    trustEpoch: chains.some(({ mtls }) => mtls) ? view.trust().epoch : 0,
  }
}

/** A route of a server for many hosts takes nothing from a server that names one of them. */
const leaveToOwners = (
  chains: readonly FilterChain[],
  merged: MergedServer,
  { owners }: ServerGroup,
): readonly FilterChain[] =>
  chains.flatMap((chain) => {
    const { serverNames } = chain.match
    const own = serverNames?.filter((name) => (owners.get(name) ?? merged) === merged)
    if (!serverNames || own?.length === serverNames.length) return [chain]
    return own?.length ? [{ ...chain, match: { ...chain.match, serverNames: own } }] : []
  })

/** Envoy refuses two chains with one match; servers of plaintext HTTP have one chain in common. */
const leaveRepeated = ({ kind }: ServerGroup, chains: readonly FilterChain[], report: Report): FilterChain[] => {
  if (kind !== 'tls') return chains.slice(0, 1)
  const taken = new Set<string>()
  return chains.flatMap((chain) => {
    const names = chain.match.serverNames ?? ['*']
    const free = names.filter((name) => !taken.has(name))
    for (const name of free) taken.add(name)
    if (free.length < names.length && chain.name !== undefined)
      report(chain.name, `TLS for ${names.filter((name) => !free.includes(name)).join(', ')} is routed already`)
    if (free.length === 0) return []
    return [chain.match.serverNames ? { ...chain, match: { ...chain.match, serverNames: free } } : chain]
  })
}

interface CompiledServer {
  readonly chains: readonly FilterChain[]
  readonly reached: readonly ReachedService[]
}

const compileServer = (view: MeshView, merged: MergedServer, place: GatewayPlace, report: Report): CompiledServer => {
  const { server, routes, hosts, gateway } = merged
  const { tls } = server
  const isTls = tls !== undefined && routes?.startsWith('http.') !== true
  if (!isTls && routes !== undefined)
    return { chains: [{ match: {}, handler: toHttp(view, merged, routes) }], reached: [] }
  const match = isTls ? toMatch(hosts.map(({ host }) => host)) : {}
  if (isTls && tls.mode === 'AUTO_PASSTHROUGH') {
    const names = hosts.map(({ host }) => host)
    const handler: SniHandler = { kind: 'sni', statPrefix: toStatPrefix(merged), hosts: names }
    return { chains: [{ match: toPassedOn(match), handler }], reached: [] }
  }
  if (isTls && isPassthrough(tls)) return compilePassthrough(view, merged, place, report)

  const termination = isTls ? compileGatewayTls(view, tls, place.namespace, routes === undefined ? [] : httpAlpn) : {}
  if (typeof termination === 'string') {
    report(`Gateway/${gateway}`, `server ${merged.portName} answers nobody: ${termination}`)
    return { chains: [{ match, handler: toNobody(merged) }], reached: [] }
  }
  if (routes !== undefined)
    return { chains: [{ match, ...termination, handler: toHttp(view, merged, routes) }], reached: [] }
  const way = findTcpWay(view, merged, place, report)
  return way
    ? { chains: [{ match, ...termination, handler: toTcpHandler(way, toStatPrefix(merged)) }], reached: way.reached }
    : { chains: [], reached: [] }
}

const httpAlpn = ['h2', 'http/1.1']

/** For every TLS route of the VirtualServices that are bound to the server's Gateway. */
const compilePassthrough = (
  view: MeshView,
  merged: MergedServer,
  place: GatewayPlace,
  report: Report,
): CompiledServer => {
  const compiled = toBound(view, merged, place).flatMap(({ virtualService, origin }) =>
    selectTls(virtualService, origin).flatMap(({ match, to }) => {
      const { namespace, name } = virtualService.metadata
      const serverNames = intersectNames(merged.hosts, namespace, match.serverNames)
      if (serverNames.length === 0) return []
      const way = compileRoute(view, virtualService, to, origin, report)
      const chain: FilterChain = {
        name: `VirtualService/${namespace}/${name}`,
        match: toMatch(serverNames),
        handler: toTcpHandler(way, toStatPrefix(merged)),
      }
      return { chain, reached: way.reached }
    }),
  )
  return { chains: compiled.map(({ chain }) => chain), reached: compiled.flatMap(({ reached }) => reached) }
}

/** The first TCP route of the VirtualServices that are bound to the server's Gateway. */
const findTcpWay = (view: MeshView, merged: MergedServer, place: GatewayPlace, report: Report): Way | undefined => {
  for (const { virtualService, origin } of toBound(view, merged, place)) {
    const [route] = selectTcp(virtualService, origin)
    if (route) return compileRoute(view, virtualService, route.to, origin, report)
  }
  report(`Gateway/${merged.gateway}`, `server ${merged.portName} has no TCP route of a VirtualService`)
  return undefined
}

interface Bound {
  readonly virtualService: VirtualService
  readonly origin: RequestOrigin
}

const toBound = (view: MeshView, { gateway, hosts, server }: MergedServer, place: GatewayPlace): Bound[] =>
  selectBound(view, gateway, place.namespace)
    .filter((virtualService) => intersectHosts(view, hosts, virtualService).length > 0)
    .map((virtualService) => ({
      virtualService,
      origin: toGatewayOrigin(place, gateway, server.port.number ?? 0, virtualService),
    }))

const toMatch = (hosts: readonly string[]): ChainMatch =>
  hosts.includes('*') || hosts.length === 0 ? {} : { serverNames: [...new Set(hosts)] }

/** What mesh mTLS asks for has the host at its end. */
const toPassedOn = ({ serverNames }: ChainMatch): ChainMatch => ({
  transport: 'tls',
  ...(serverNames && { serverNames: serverNames.map((name) => (name.startsWith('*') ? name : `*.${name}`)) }),
})

const toStatPrefix = ({ server, gateway }: MergedServer): string =>
  server.name ?? `gateway_${server.port.number ?? 0}_${gateway.replace('/', '_')}`

const toHttp = (view: MeshView, merged: MergedServer, routes: string): HttpHandler => ({
  kind: 'http',
  statPrefix: merged.server.tls && merged.server.name !== undefined ? merged.server.name : routes,
  routes: { kind: 'rds', name: routes },
  clientCertificate: 'set-whole',
  edge: { trustedProxies: view.meshConfig().defaultConfig.gatewayTopology?.numTrustedProxies ?? 0 },
  isGuarded: true,
  isForwardProxy: false,
  upgrades: ['websocket'],
})

const toNobody = (merged: MergedServer): TcpHandler => ({
  kind: 'tcp',
  statPrefix: toStatPrefix(merged),
  destinations: [{ upstream: blackHoleUpstream, weight: 1 }],
  hashesSourceIp: false,
})
