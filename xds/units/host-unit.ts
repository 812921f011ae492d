import { destinationsOf } from '#mesh/analysis/destinations-of.ts'
import { toClientSelectorKey, toRuleSelector, toSourceSelectors } from '#mesh/client-selectors.ts'
import { resolveHost } from '#mesh/merge/resolve-host.ts'
import type { ServiceKey } from '#mesh/names.ts'
import type { Service } from '#mesh/service.ts'
import type { MeshView } from '#mesh/view.ts'
import { compileConnectionPaths } from '#xds/compile/compile-connection-paths.ts'
import { hasVirtualHost } from '#xds/compile/compile-virtual-host.ts'
import type { Report } from '#xds/compile/report.ts'
import { hasPort, toPortsKey, type CapturedPorts } from '#xds/compile/captured-ports.ts'
import { toCapturedScope, toScopeKey, type RouteScope } from '#xds/compile/route-scope.ts'
import { selectDestinationPolicy } from '#xds/compile/select-destination-policy.ts'
import { resolveAlias, selectService } from '#xds/compile/select-service.ts'
import { selectVirtualServiceOf, type VirtualService } from '#xds/compile/select-virtual-service.ts'
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

/** What one host name is to a class of sidecars: decides which of its services is meant, and which rules hold. */
export const hostUnit = (client: Client, candidates: readonly HostCandidate[]): Unit => ({
  key: `host|${toClientKey(client)}|${candidates.map(toCandidateKey).join(';')}`,
  compile(view) {
    const keys = candidates.map(({ service }) => service)
    const named = selectService(view, keys, client.namespace)
    if (!named) return {}
    const service = resolveAlias(view, named, client.namespace)
    const candidate = candidates.find((each) => each.service === named.key)
    const scopes = [...(candidate?.scopes ?? []), ...toCapturedScopes(service, candidate?.captured)]
    const policy = selectDestinationPolicy(view, service, client)
    const virtualService = selectVirtualServiceOf(view, named, service, client.namespace)
    const virtualHosts = scopes.flatMap((scope) =>
      service.ports
        .filter((port) => hasVirtualHost(scope, port))
        .map((port) =>
          virtualHostUnit({
            scope,
            serviceKey: service.key,
            aliasKey: named === service ? undefined : named.key,
            port: port.number,
            policyKey: policy.key,
            isOwnNamespace: named.namespace === client.namespace,
            client: virtualService && toConcerned(view, client, virtualService),
          }),
        ),
    )
    const routing = virtualService && toRouting(virtualService, client)
    const reachedByConnections = service.ports.flatMap((port) =>
      compileConnectionPaths(view, { service, policy }, port, routing, toldElsewhere).flatMap(({ reached }) => reached),
    )
    const upstreams = [{ service, policy }, ...reachedByConnections].map((reached) =>
      upstreamsUnit(view, reached, client),
    )
    return { includes: [...upstreams, ...virtualHosts] }
  },
})

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
