import { toObjectKey } from '#mesh/config-object.ts'
import type { Destination } from '#mesh/config/schema/destination.ts'
import { resolveHost } from '#mesh/merge/resolve-host.ts'
import type { Service } from '#mesh/service.ts'
import type { MeshView } from '#mesh/view.ts'
import type { RequestOrigin } from './compile-http-match.ts'
import { toEffectivePolicy, type EffectivePolicy } from './compile-traffic-policy.ts'
import type { Report } from './report.ts'
import { toUpstreamName } from './resource-names.ts'
import { selectDestinationPolicy, type DestinationPolicy } from './select-destination-policy.ts'
import { resolveAlias, selectService } from './select-service.ts'
import type { VirtualService } from './select-virtual-service.ts'

/** A service as a client sees it, whose upstreams a route needs. */
export interface ReachedService {
  readonly service: Service
  readonly policy: DestinationPolicy
}

export interface CompiledDestination {
  readonly upstream: string
  readonly effective: EffectivePolicy
  /** Undefined when the mesh does not know it: the upstream then does not exist, and Envoy answers 503. */
  readonly reached: ReachedService | undefined
}

/** What a route of a VirtualService, for requests on `port`, leads to. */
export const compileDestination = (
  view: MeshView,
  { metadata }: VirtualService,
  destination: Destination,
  origin: RequestOrigin,
  report: Report,
): CompiledDestination => {
  const object = toObjectKey('VirtualService', metadata.namespace, metadata.name)
  const hostname = resolveHost(destination.host, metadata.namespace, view.settings().domainSuffix)
  const named = selectService(view, view.servicesByHostname(hostname), origin.clientNamespace)
  const service = named && resolveAlias(view, named, origin.clientNamespace)
  const subsetName = destination.subset ?? ''
  if (!named || !service) {
    report(object, `routes to ${hostname}, which is no service that namespace ${origin.clientNamespace} may call`)
    return {
      upstream: toUpstreamName(destination.port?.number ?? origin.port, subsetName, hostname),
      effective: {},
      reached: undefined,
    }
  }

  const [onlyPort, ...otherPorts] = named.ports.length > 0 ? named.ports : service.ports
  const implied = onlyPort && otherPorts.length === 0 ? onlyPort.number : origin.port
  const port = destination.port?.number ?? implied
  if (!service.ports.some(({ number }) => number === port))
    report(object, `routes to port ${port} of ${service.hostname}, which has none`)
  const policy = selectDestinationPolicy(view, service, {
    namespace: origin.clientNamespace,
    selectors: origin.selectors,
  })
  const subset = policy.subsets.find(({ name }) => name === subsetName)
  if (subsetName !== '' && !subset)
    report(object, `routes to subset ${subsetName} of ${service.hostname}, which no DestinationRule defines`)
  return {
    upstream: toUpstreamName(port, subsetName, service.hostname),
    effective: toEffectivePolicy(policy.trafficPolicy, subset?.trafficPolicy, port),
    reached: { service, policy },
  }
}
