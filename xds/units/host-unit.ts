import type { ServiceKey } from '#mesh/names.ts'
import { compileTcpDestinations } from '#xds/compile/compile-tcp-destinations.ts'
import { hasVirtualHost } from '#xds/compile/compile-virtual-host.ts'
import type { Report } from '#xds/compile/report.ts'
import { toScopeKey, type RouteScope } from '#xds/compile/route-scope.ts'
import { selectDestinationPolicy } from '#xds/compile/select-destination-policy.ts'
import { selectService } from '#xds/compile/select-service.ts'
import { selectVirtualService } from '#xds/compile/select-virtual-service.ts'
import type { Unit } from '#xds/incremental/unit.ts'
import { upstreamsUnit } from './upstreams-unit.ts'
import { virtualHostUnit } from './virtual-host-unit.ts'

export interface Client {
  readonly namespace: string
  readonly locality: string
}

/** A service that a host name may mean, and the route configurations that have it. */
export interface HostCandidate {
  readonly service: ServiceKey
  readonly scopes: readonly RouteScope[]
}

/** What one host name is to a class of sidecars: decides which of its services is meant, and which rules hold. */
export const hostUnit = (client: Client, candidates: readonly HostCandidate[]): Unit => ({
  key: `host|${client.namespace}|${client.locality}|${candidates.map(toCandidateKey).join(';')}`,
  compile(view) {
    const keys = candidates.map(({ service }) => service)
    const service = selectService(view, keys, client.namespace)
    if (!service) return {}
    const scopes = candidates.find((candidate) => candidate.service === service.key)?.scopes ?? []
    const policy = selectDestinationPolicy(view, service, client.namespace)
    const virtualService = selectVirtualService(view, service.hostname, client.namespace)
    const virtualHosts = scopes.flatMap((scope) =>
      service.ports
        .filter((port) => hasVirtualHost(scope, port))
        .map((port) =>
          virtualHostUnit({
            scope,
            serviceKey: service.key,
            port: port.number,
            policyKey: policy.key,
            isOwnNamespace: service.namespace === client.namespace,
            client: virtualService && client,
          }),
        ),
    )
    const routing = virtualService?.spec.tcp && { virtualService, clientNamespace: client.namespace }
    const reachedByTcp = routing
      ? service.ports.flatMap(
          (port) => compileTcpDestinations(view, { service, policy }, port, routing, toldElsewhere).reached,
        )
      : []
    const upstreams = [{ service, policy }, ...reachedByTcp].map((reached) => upstreamsUnit(reached, client.locality))
    return { includes: [...upstreams, ...virtualHosts] }
  },
})

/** The virtual host or listener that has the route tells what is wrong with it. */
const toldElsewhere: Report = () => {}

const toCandidateKey = ({ service, scopes }: HostCandidate): string => `${service}@${scopes.map(toScopeKey).join(',')}`
