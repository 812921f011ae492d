import { destinationsOf } from '#mesh/analysis/destinations-of.ts'
import { toClientSelectorKey, toRuleSelector, toSourceSelectors } from '#mesh/client-selectors.ts'
import { resolveHost } from '#mesh/merge/resolve-host.ts'
import { splitServiceKey, type ServiceKey } from '#mesh/names.ts'
import type { Service } from '#mesh/service.ts'
import type { MeshView } from '#mesh/view.ts'
import { compileConnectionPaths } from '#xds/compile/compile-connection-paths.ts'
import type { ReachedService } from '#xds/compile/compile-destination.ts'
import { compileEgress, toHostsIn, toPointsFor, type Egress } from '#xds/compile/compile-egress.ts'
import { hasVirtualHost } from '#xds/compile/compile-virtual-host.ts'
import type { Report } from '#xds/compile/report.ts'
import { hasPort, toCapturedPorts, toPortsKey, type CapturedPorts } from '#xds/compile/captured-ports.ts'
import { toCapturedScope, toScopeKey, type RouteScope } from '#xds/compile/route-scope.ts'
import { selectDestinationPolicy } from '#xds/compile/select-destination-policy.ts'
import { findSidecar } from '#xds/compile/select-sidecar.ts'
import { isReachedBy, resolveAlias, selectService, type NamedService } from '#xds/compile/select-service.ts'
import {
  selectVirtualServiceOf,
  toVirtualServiceKey,
  type VirtualService,
} from '#xds/compile/select-virtual-service.ts'
import type { Unit } from '#xds/incremental/unit.ts'
import { toClientKey, toRouting, type Client } from './client.ts'
import { upstreamsUnit } from './upstreams-unit.ts'
import { virtualHostUnit } from './virtual-host-unit.ts'

/** A service that a host name may mean, and the route configurations that have it. */
export interface HostCandidate {
  readonly service: ServiceKey
  readonly scopes: readonly RouteScope[]
  /** On which of its ports captured connections may mean it; undefined = on none. */
  readonly captured: CapturedPorts | undefined
}

/** A service of a host name as a class of sidecars reaches it; undefined = nowhere. */
export const toHostCandidate = (egress: Egress, service: ServiceKey): HostCandidate | undefined => {
  const { namespace, hostname } = splitServiceKey(service)
  const points = toPointsFor(egress, namespace, hostname)
  const captured = egress.captured && toCapturedPorts(egress.captured, namespace, hostname)
  if (points.length === 0 && !captured) return undefined
  return { service, scopes: points.flatMap(({ scope }) => scope ?? []), captured }
}

/** What one host name is to a class of sidecars: decides which of its services is meant, and which rules hold. */
export const hostUnit = (client: Client, sidecarKey: string, candidates: readonly HostCandidate[]): Unit => ({
  key: `host|${toClientKey(client)}|${sidecarKey}|${candidates.map(toCandidateKey).join(';')}`,
  compile(view) {
    const keys = candidates.map(({ service }) => service)
    const named = selectService(view, keys, client.namespace)
    if (!named) return {}
    const service = resolveAlias(view, named, client.namespace)
    const policy = selectDestinationPolicy(view, service, client)
    const toUpstreams = (reached: ReachedService) => upstreamsUnit(view, reached, client)
    const candidate = candidates.find((each) => each.service === named.key)
    if (!candidate) return {}
    const places = toPlaces(view, client, sidecarKey, { named, service, candidate })
    if (named !== service && places.length === 0) return {}
    const units = places.flatMap(({ scope, port: only, virtualService }) =>
      service.ports
        .filter(({ number }) => only === undefined || number === only)
        .flatMap((port) => {
          const routing = virtualService && toRouting(virtualService, client)
          const paths = routing ? compileConnectionPaths(view, { service, policy }, port, routing, toldElsewhere) : []
          const upstreams = paths.flatMap(({ reached }) => reached.map(toUpstreams))
          if (!scope || !hasVirtualHost(scope, port)) return upstreams
          const virtualHost = virtualHostUnit({
            scope,
            serviceKey: service.key,
            aliasKey: named === service ? undefined : named.key,
            port: port.number,
            policyKey: policy.key,
            isOwnNamespace: named.namespace === client.namespace,
            routing: virtualService && {
              virtualServiceKey: toVirtualServiceKey(virtualService),
              client: toConcerned(view, client, virtualService),
            },
          })
          return [...upstreams, virtualHost]
        }),
    )
    return { includes: [toUpstreams({ service, policy }), ...units] }
  },
})

/** A part of the egress by which a host is reached, and what routes there. */
interface Place {
  readonly scope: RouteScope | undefined
  /** Of the service the only one; undefined = all. */
  readonly port: number | undefined
  readonly virtualService: VirtualService | undefined
}

interface Candidacy extends NamedService {
  readonly candidate: HostCandidate
}

/** Only where there is something to choose is it asked what the Sidecar says. */
const toPlaces = (
  view: MeshView,
  client: Client,
  sidecarKey: string,
  { named, service, candidate }: Candidacy,
): Place[] => {
  const scopes = [...candidate.scopes, ...toCapturedScopes(service, candidate.captured)]
  if (named === service && view.virtualServicesFor(service.hostname).length === 0)
    return scopes.map((scope) => ({ scope, port: scope.port, virtualService: undefined }))
  const egress = compileEgress(view.meshConfig(), findSidecar(view, sidecarKey), client)
  const routed = scopes.map((scope) => ({ scope, port: scope.port, hosts: toHostsIn(egress, scope) }))
  const others = toPointsFor(egress, named.namespace, named.hostname).flatMap(({ scope, port, hosts }) =>
    scope ? [] : [{ scope, port: port === 0 ? undefined : port, hosts }],
  )
  return [...routed, ...others]
    .filter(({ hosts }) => isReachedBy(hosts, { named, service }))
    .map(({ scope, port, hosts }) => ({
      scope,
      port,
      virtualService: selectVirtualServiceOf(view, { named, service }, { namespace: client.namespace, hosts }),
    }))
}

/**
 * The client as far as the VirtualService tells clients apart, or the rules of what it leads to: those of one namespace share what is the
 * same for them.
 */
const toConcerned = (view: MeshView, client: Client, { metadata, spec }: VirtualService): Client => {
  if (client.selectors.length === 0) return client
  const { domainSuffix } = view.settings()
  const hosts = new Set(
    destinationsOf(spec).map(({ destination }) => resolveHost(destination.host, metadata.namespace, domainSuffix)),
  )
  const ofRules = [...hosts].flatMap((host) =>
    view.destinationRulesFor(host).flatMap((rule) => toRuleSelector(rule) ?? []),
  )
  const used = new Set([...toSourceSelectors(spec), ...ofRules].map(toClientSelectorKey))
  return { ...client, selectors: client.selectors.filter((key) => used.has(key)) }
}

/** The virtual host or listener that has the route tells what is wrong with it. */
const toldElsewhere: Report = () => {}

const toCapturedScopes = ({ ports }: Service, captured: CapturedPorts | undefined): RouteScope[] =>
  captured ? ports.filter(({ number }) => hasPort(captured, number)).map(({ number }) => toCapturedScope(number)) : []

const toCandidateKey = ({ service, scopes, captured }: HostCandidate): string =>
  `${service}@${scopes.map(toScopeKey).join(',')}${captured ? `@${toPortsKey(captured)}` : ''}`
