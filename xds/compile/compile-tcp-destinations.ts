import { toMilliseconds } from '#mesh/config/schema/duration.ts'
import type { Service, ServicePort } from '#mesh/service.ts'
import type { MeshView } from '#mesh/view.ts'
import { compileDestination, type ReachedService } from './compile-destination.ts'
import { toEffectivePolicy, type EffectivePolicy } from './compile-traffic-policy.ts'
import type { Report } from './report.ts'
import { toUpstreamName } from './resource-names.ts'
import type { DestinationPolicy } from './select-destination-policy.ts'
import { isForSidecars, type VirtualService } from './select-virtual-service.ts'

export interface CompiledTcp {
  readonly destinations: readonly { readonly upstream: string; readonly weight: number }[]
  readonly hashesSourceIp: boolean
  readonly idleTimeoutMs: number | undefined
  /** The services that it leads to. */
  readonly reached: readonly ReachedService[]
}

/** Where connections to a service's port go: to the first TCP route that matches, else to the service. */
export const compileTcpDestinations = (
  view: MeshView,
  { service, policy }: { readonly service: Service; readonly policy: DestinationPolicy },
  port: ServicePort,
  routing: { readonly virtualService: VirtualService; readonly clientNamespace: string } | undefined,
  report: Report,
): CompiledTcp => {
  const route = routing?.virtualService.spec.tcp?.find(
    ({ match }) =>
      !match?.length ||
      match.some((each) => isForSidecars(each.gateways) && (each.port === undefined || each.port === port.number)),
  )
  if (!routing || !route) {
    return {
      destinations: [{ upstream: toUpstreamName(port.number, '', service.hostname), weight: 1 }],
      reached: [],
      ...compileConnections([toEffectivePolicy(policy.trafficPolicy, undefined, port.number)]),
    }
  }
  const used = route.route.length > 1 ? route.route.filter(({ weight }) => (weight ?? 0) > 0) : route.route
  const origin = { clientNamespace: routing.clientNamespace, port: port.number }
  const compiled = used.map(({ destination }) =>
    compileDestination(view, routing.virtualService, destination, origin, report),
  )
  return {
    destinations: compiled.map(({ upstream }, index) => ({ upstream, weight: used[index]?.weight || 1 })),
    reached: compiled.flatMap(({ reached }) => reached ?? []),
    ...compileConnections(compiled.map(({ effective }) => effective)),
  }
}

const compileConnections = (policies: readonly EffectivePolicy[]) => {
  const idleTimeout = policies.map(({ connectionPool }) => connectionPool?.tcp?.idleTimeout).find(Boolean)
  return {
    hashesSourceIp: policies.some(({ loadBalancer }) => loadBalancer?.consistentHash?.useSourceIp === true),
    idleTimeoutMs: idleTimeout && toMilliseconds(idleTimeout),
  }
}
