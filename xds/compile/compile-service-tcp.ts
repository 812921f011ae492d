import type { Service, ServicePort } from '#mesh/service.ts'
import type { MeshView } from '#mesh/view.ts'
import type { TcpHandler } from '#xds/model/listener.ts'
import { compileTcpDestinations } from './compile-tcp-destinations.ts'
import type { Report } from './report.ts'
import { selectDestinationPolicy } from './select-destination-policy.ts'
import { selectVirtualService } from './select-virtual-service.ts'

export interface ServiceOnPort {
  readonly service: Service
  readonly port: ServicePort
}

/** How connections that clients of a namespace make to a service's port are passed on. */
export const compileServiceTcp = (
  view: MeshView,
  /** `statPort`: the port that statistics are told under. */
  { service, port, statPort }: ServiceOnPort & { readonly statPort: number },
  clientNamespace: string,
  report: Report,
): TcpHandler => {
  const virtualService = selectVirtualService(view, service.hostname, clientNamespace)
  const { destinations, hashesSourceIp, idleTimeoutMs } = compileTcpDestinations(
    view,
    { service, policy: selectDestinationPolicy(view, service, clientNamespace) },
    port,
    virtualService && { virtualService, clientNamespace },
    report,
  )
  return {
    kind: 'tcp',
    statPrefix: `outbound_${statPort}_${service.hostname}`,
    destinations,
    hashesSourceIp,
    ...(idleTimeoutMs !== undefined && { idleTimeoutMs }),
  }
}
