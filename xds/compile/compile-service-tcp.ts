import type { Service, ServicePort } from '#mesh/service.ts'
import type { MeshView } from '#mesh/view.ts'
import type { TcpHandler } from '#xds/model/listener.ts'
import { compileConnectionPaths, type ConnectionMatch } from './compile-connection-paths.ts'
import { isWithin } from './ip-address.ts'
import type { Report } from './report.ts'
import { selectDestinationPolicy } from './select-destination-policy.ts'
import { selectVirtualService } from './select-virtual-service.ts'

export interface ServiceOnPort {
  readonly service: Service
  readonly port: ServicePort
}

/** A way that connections to a service's port go, and what passes them on. */
export interface TcpPath extends ConnectionMatch {
  readonly handler: TcpHandler
}

/** How connections that clients of a namespace make to a service's port are passed on. */
export const compileServiceTcp = (
  view: MeshView,
  /** `statPort`: the port that statistics are told under. */
  { service, port, statPort }: ServiceOnPort & { readonly statPort: number },
  clientNamespace: string,
  report: Report,
): TcpPath[] => {
  const virtualService = selectVirtualService(view, service.hostname, clientNamespace)
  const paths = compileConnectionPaths(
    view,
    { service, policy: selectDestinationPolicy(view, service, clientNamespace) },
    port,
    virtualService && { virtualService, clientNamespace },
    report,
  )
  return paths.map(({ serverNames, subnets, destinations, hashesSourceIp, idleTimeoutMs }) => ({
    serverNames,
    subnets,
    handler: {
      kind: 'tcp',
      statPrefix: `outbound_${statPort}_${service.hostname}`,
      destinations,
      hashesSourceIp,
      ...(idleTimeoutMs !== undefined && { idleTimeoutMs }),
    },
  }))
}

/**
 * The ways of connections that were made to this address; undefined = it says nothing (a Unix domain socket): all ways then. Where none but
 * addresses tell them apart the first counts, those to the smallest block before all others.
 */
export const toPathsAt = (paths: readonly TcpPath[], address: string | undefined): TcpPath[] =>
  paths
    .filter(({ subnets }) => address === undefined || subnets.length === 0 || toBlockLength(subnets, address) >= 0)
    .toSorted((one, other) => toBlockLength(other.subnets, address) - toBlockLength(one.subnets, address))

/** Of the smallest of these blocks that the address is in; -1 = in none. */
const toBlockLength = (subnets: readonly string[], address: string | undefined): number =>
  Math.max(
    -1,
    ...subnets
      .filter((block) => address !== undefined && isWithin(address, block))
      .map((block) => Number(block.split('/')[1] ?? 32)),
  )
