import { toMilliseconds } from '#mesh/config/schema/duration.ts'
import { isHttpProtocol } from '#mesh/service.ts'
import { proxyListenPorts } from '#mesh/kubernetes/conventions.ts'
import { getOrAdd } from '#mesh/merge/get-or-add.ts'
import { splitServiceKey, type ServiceKey } from '#mesh/names.ts'
import type { MeshView } from '#mesh/view.ts'
import type { ChainSelection, FilterChain, Listener, TcpHandler } from '#xds/model/listener.ts'
import { toHostsOn, type Egress } from './compile-egress.ts'
import { compileCapturedPaths } from './compile-captured-paths.ts'
import { isTlsPort } from './compile-connection-paths.ts'
import {
  compileServiceTcp,
  toPathsAt,
  type ServiceOnPort,
  type TcpClient,
  type TcpTarget,
} from './compile-service-tcp.ts'
import { compileTlsChains } from './compile-tls-chains.ts'
import { followsNames, isHeadless } from './compile-upstreams.ts'
import { isMaybeHttp, webPort } from './compile-virtual-host.ts'
import { isTakenBy } from './host-filter.ts'
import { isIpv4Address, isIpv4Range } from './ip-address.ts'
import { hasRoutedHosts } from './plan-routed-host.ts'
import type { Report } from './report.ts'
import { toCapturedScope } from './route-scope.ts'
import { isReachedBy, resolveAlias, selectService } from './select-service.ts'

export interface CapturedPort {
  /** For all addresses that have no listener of their own; undefined when nothing is known but those. */
  readonly listener: Listener | undefined
  /** Whether HTTP on this port is routed. */
  readonly hasRoutes: boolean
  /** TCP services by address: each has a listener of its own, where nothing is sniffed. */
  readonly byAddress: readonly { readonly address: string; readonly service: ServiceKey }[]
}

/** What captured connections to one port may be for: docs/decisions/0012. */
export const compileCapturedPort = (
  view: MeshView,
  egress: Egress,
  { number, client }: { readonly number: number; readonly client: TcpClient },
  report: Report,
): CapturedPort => {
  const claimed = new Map<string, string>()
  const claim = (target: ServiceOnPort): string[] =>
    toAddresses(view, target).filter((address) => {
      const owner = getOrAdd(claimed, address, () => target.service.hostname)
      if (owner === target.service.hostname) return true
      report(`Service/${target.service.key}`, `its address ${address} on port ${number} is that of ${owner}`)
      return false
    })
  const targets = toTargets(view, egress, number, client.namespace)
  const isOwn = proxyListenPorts.includes(number)
  const hasRoutes =
    !isOwn &&
    (targets.some(({ port }) => isMaybeHttp(port)) ||
      (number === webPort && hasRoutedHosts(view, egress, client.namespace)))
  const chains: FilterChain[] = hasRoutes ? [compileHttpChain(number, targets)] : []
  const ofHttp: string[] = []
  const ofTcp: { address: string; service: ServiceKey }[] = []
  const byAddress: ChainSelection['byAddress'][number][] = []
  const byServerName: ChainSelection['byServerName'][number][] = []
  let rest: ServiceOnPort | undefined
  let unknown: TcpHandler | undefined = egress.unknown === undefined ? undefined : toPassOn(egress.unknown)

  for (const target of targets) {
    const { service, port } = target
    if (isHttpProtocol(port.protocol)) {
      if (!isHeadless(service)) ofHttp.push(...claim(target))
      continue
    }
    // Clients resolve an alias to the addresses of what it stands for: only TLS names it.
    if (service.aliasOf !== undefined && !isTlsPort(port)) continue
    const addresses = claim(target)
    const own = port.protocol === 'auto' ? [] : addresses.filter(isIpv4Address)
    ofTcp.push(...own.map((address) => ({ address, service: service.key })))
    const shared = addresses.filter((address) => !own.includes(address))
    const hasAddress = service.addresses.length > 0 || isHeadless(service)
    if (shared.length === 0 && (hasAddress || port.protocol === 'auto')) continue
    if (!hasAddress && !isTlsPort(port)) {
      if (rest) {
        report(
          `Service/${service.key}`,
          `without an address TCP on port ${number} can't tell it from ${rest.service.hostname}`,
        )
        continue
      }
      rest = target
    }
    const compiled = compileCapturedPaths(compileServiceTcp(view, target, client, report), {
      hostname: service.hostname,
      addresses: shared,
      isTls: isTlsPort(port),
    })
    chains.push(...compiled.chains)
    byAddress.push(...compiled.byAddress)
    byServerName.push(...compiled.byServerName)
    unknown = compiled.rest ?? unknown
  }
  if (ofHttp.length > 0) byAddress.unshift({ addresses: ofHttp, chain: httpChain })

  const isNeeded = !isOwn && (chains.length > 0 || rest !== undefined)
  return {
    listener: isNeeded
      ? {
          name: `0.0.0.0_${number}`,
          address: '0.0.0.0',
          port: number,
          direction: 'outbound',
          role: 'inner',
          inspectors: [
            ...(byServerName.length > 0 ? [{ kind: 'tls' as const }] : []),
            ...(hasRoutes ? [{ kind: 'http' as const }] : []),
          ],
          sniffTimeoutMs: toMilliseconds(view.meshConfig().protocolDetectionTimeout),
          chains,
          selection: { byServerName, http: hasRoutes ? httpChain : undefined, byAddress },
          ...(unknown && { defaultChain: { match: {}, handler: unknown } }),
          trustEpoch: view.trust().epoch,
        }
      : undefined,
    hasRoutes,
    byAddress: ofTcp,
  }
}

/** The listener of one address of a TCP service. */
export const compileCapturedAddress = (
  view: MeshView,
  address: string,
  target: TcpTarget,
  client: TcpClient,
  report: Report,
): Listener => {
  const { number } = target.port
  const paths = toPathsAt(compileServiceTcp(view, target, client, report), address)
  const { hostname } = target.service
  return {
    name: `${address}_${number}`,
    address,
    port: number,
    direction: 'outbound',
    role: 'inner',
    ...(paths.some(({ serverNames }) => serverNames.length > 0)
      ? compileTlsChains(paths.map((path) => ({ ...path, hostname })))
      : { inspectors: [], chains: paths.slice(0, 1).map(({ handler }) => ({ match: {}, handler })) }),
    trustEpoch: view.trust().epoch,
  }
}

const httpChain = 'http'

const compileHttpChain = (number: number, targets: readonly ServiceOnPort[]): FilterChain => ({
  name: httpChain,
  match: {},
  handler: {
    kind: 'http',
    statPrefix: `outbound_${number}`,
    routes: { kind: 'rds', name: toCapturedScope(number).name },
    clientCertificate: 'strip',
    isForwardProxy: targets.some(({ service }) => followsNames(service, { isCaptured: true })),
    upgrades: ['websocket'],
  },
})

const toPassOn = (upstream: string): TcpHandler => ({
  kind: 'tcp',
  statPrefix: upstream,
  destinations: [{ upstream, weight: 1 }],
  hashesSourceIp: false,
})

/** The services that connections to this port may mean: `Service`s first, whose addresses nobody takes from them, then by key. */
const toTargets = (view: MeshView, { captured }: Egress, number: number, namespace: string): TcpTarget[] => {
  const hosts = captured && toHostsOn(captured, number)
  if (!hosts) return []
  const byHostname = new Map<string, ServiceKey[]>()
  for (const key of view.servicesOnPort(number)) {
    const { namespace: owner, hostname } = splitServiceKey(key)
    if (isTakenBy([hosts], owner, hostname)) getOrAdd(byHostname, hostname, (): ServiceKey[] => []).push(key)
  }
  const targets = [...byHostname.values()].flatMap((keys) => {
    const service = selectService(view, keys, namespace)
    const port = service?.ports.find((each) => each.number === number)
    if (!service || !port) return []
    const reached = { named: service, service: resolveAlias(view, service, namespace) }
    return isReachedBy([hosts], reached) ? [{ service, port, statPort: number, hosts: [hosts] }] : []
  })
  return targets.toSorted((one, other) => toRank(one) - toRank(other))
}

const toRank = ({ service }: ServiceOnPort): number => (service.source === 'service' ? 0 : 1)

/** Where a service is reached on this port: its virtual addresses or, of a headless one, those of its endpoints. */
const toAddresses = (view: MeshView, { service, port }: ServiceOnPort): string[] =>
  isHeadless(service)
    ? [
        ...new Set(
          view
            .endpoints(service.key)
            .filter(({ address, ports }) => isIpv4Address(address) && ports[port.name] === port.number)
            .map(({ address }) => address),
        ),
      ]
    : service.addresses.filter(isIpv4Range)
