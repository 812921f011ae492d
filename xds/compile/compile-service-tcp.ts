import type { ClientSelectorKey } from '#mesh/client-selectors.ts'
import type { Service, ServicePort } from '#mesh/service.ts'
import type { MeshView } from '#mesh/view.ts'
import type { TcpHandler } from '#xds/model/listener.ts'
import {
  compileConnectionPaths,
  isTlsPort,
  type ConnectionMatch,
  type ConnectionPath,
  type Way,
} from './compile-connection-paths.ts'
import { followsNames } from './compile-upstreams.ts'
import type { HostFilter } from './host-filter.ts'
import { isWithin, toBlockLength } from './ip-address.ts'
import type { Report } from './report.ts'
import { selectDestinationPolicy } from './select-destination-policy.ts'
import { resolveAlias } from './select-service.ts'
import { selectVirtualServiceOf } from './select-virtual-service.ts'

export interface ServiceOnPort {
  readonly service: Service
  readonly port: ServicePort
}

/** Where connections come from and are meant to go. */
export interface TcpTarget extends ServiceOnPort {
  /** The port that statistics are told under. */
  readonly statPort: number
  /** What the part of the egress is for that they come by. */
  readonly hosts: readonly HostFilter[]
}

/** Whose connections they are. */
export interface TcpClient {
  readonly namespace: string
  /** Of the selectors in use those that select them, sorted. */
  readonly selectors: readonly ClientSelectorKey[]
  /** Whether they are captured. */
  readonly isCaptured: boolean
}

/** A way that connections to a service's port go, and what passes them on. */
export interface TcpPath extends ConnectionMatch {
  readonly handler: TcpHandler
}

/** How connections that clients of a namespace make to a service's port are passed on. */
export const compileServiceTcp = (
  view: MeshView,
  { service: named, port, statPort, hosts }: TcpTarget,
  client: TcpClient,
  report: Report,
): TcpPath[] => {
  const clientNamespace = client.namespace
  const service = resolveAlias(view, named, clientNamespace)
  const virtualService = selectVirtualServiceOf(view, { named, service }, { namespace: clientNamespace, hosts })
  const paths = compileConnectionPaths(
    view,
    { service, policy: selectDestinationPolicy(view, service, client) },
    port,
    virtualService && { virtualService, clientNamespace, selectors: new Set(client.selectors) },
    report,
  )
  const followsName = ({ reached }: ConnectionPath) =>
    isTlsPort(port) &&
    (reached.length > 0 ? reached.map((each) => each.service) : [service]).some((each) => followsNames(each, client))
  return paths.map((path) =>
    toTcpPath(path, `outbound_${statPort}_${service.hostname}`, followsName(path) ? port.number : undefined),
  )
}

const toTcpPath = (
  { serverNames, subnets, writtenAt, ...way }: ConnectionPath,
  statPrefix: string,
  forwardPort: number | undefined,
): TcpPath => ({
  serverNames,
  subnets,
  handler: {
    ...toTcpHandler(way, statPrefix),
    ...(writtenAt && { writtenAt }),
    ...(forwardPort !== undefined && { forwardsTo: { port: forwardPort } }),
  },
})

/** What passes connections on that go this way. */
export const toTcpHandler = (
  { destinations, hashesSourceIp, idleTimeoutMs, maxDurationMs, tunnel }: Way,
  statPrefix: string,
): TcpHandler => ({
  kind: 'tcp',
  statPrefix,
  destinations,
  hashesSourceIp,
  ...(idleTimeoutMs !== undefined && { idleTimeoutMs }),
  ...(maxDurationMs !== undefined && { maxDurationMs }),
  ...(tunnel && { tunnel }),
})

/**
 * The ways of connections that were made to this address; undefined = it says nothing (a Unix domain socket): all ways then. Where none but
 * addresses tell them apart the first counts, those to the smallest block before all others.
 */
export const toPathsAt = (paths: readonly TcpPath[], address: string | undefined): TcpPath[] =>
  paths
    .filter(({ subnets }) => address === undefined || subnets.length === 0 || toClosestLength(subnets, address) >= 0)
    .toSorted((one, other) => toClosestLength(other.subnets, address) - toClosestLength(one.subnets, address))

/** Of the smallest of these blocks that the address is in; -1 = in none. */
const toClosestLength = (subnets: readonly string[], address: string | undefined): number =>
  Math.max(-1, ...subnets.filter((block) => address !== undefined && isWithin(address, block)).map(toBlockLength))
