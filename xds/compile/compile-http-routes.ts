import { base64Decode } from '@bufbuild/protobuf/wire'
import { toMilliseconds } from '#mesh/config/schema/duration.ts'
import { isTlsPort } from '#mesh/config/gateway.ts'
import type { Destination } from '#mesh/config/schema/destination.ts'
import type { HttpMatch } from '#mesh/config/schema/http-match.ts'
import type { HttpRoute, HttpRouteDestination } from '#mesh/config/schema/http-route.ts'
import { toHttpRoutePlace } from '#mesh/merge/merge-delegates.ts'
import type { MeshView } from '#mesh/view.ts'
import type { Forward, Redirect, Respond, Route, RouteDestination } from '#xds/model/virtual-host.ts'
import { compileDestination, type ReachedService } from './compile-destination.ts'
import { compileHeaderChanges, toAuthority } from './compile-header-changes.ts'
import {
  anyRequest,
  compileHttpMatch,
  isRelevantMatch,
  matchesAnyRequest,
  type RequestOrigin,
} from './compile-http-match.ts'
import { compileDefaultRetries, compileRetries } from './compile-retries.ts'
import { compileCors, compileFault, toShare } from './compile-route-filters.ts'
import { compileHashPolicy } from './compile-traffic-policy.ts'
import type { Report } from './report.ts'
import type { VirtualService } from './select-virtual-service.ts'

export interface CompiledRoutes {
  readonly routes: readonly Route[]
  /** The services that they lead to. */
  readonly reached: readonly ReachedService[]
}

/** The HTTP routes of a VirtualService that requests of this origin can meet, in its order. */
export const compileHttpRoutes = (
  view: MeshView,
  virtualService: VirtualService,
  origin: RequestOrigin,
  report: Report,
): CompiledRoutes => {
  const routes: Route[] = []
  const reached: ReachedService[] = []
  for (const [index, route] of (virtualService.spec.http ?? []).entries()) {
    const matches = route.match?.length
      ? route.match.filter((match) => isRelevantMatch(match, origin)).map(compileMatchedRoute)
      : [{ match: anyRequest }]
    if (matches.length === 0) continue
    const compiled = compileRoute(view, virtualService, route, origin, report)
    reached.push(...compiled.reached)
    const writtenAt = toHttpRoutePlace(virtualService, index)
    for (const { name, ...matched } of matches) {
      const fullName = name === undefined ? route.name : `${route.name ?? ''}.${name}`
      routes.push({ ...matched, ...compiled.route, writtenAt, ...(fullName !== undefined && { name: fullName }) })
      if (matchesAnyRequest(matched.match)) return { routes, reached }
    }
  }
  return { routes, reached }
}

/** What routes differ in that come of one route's matches. */
const compileMatchedRoute = (match: HttpMatch): Pick<Route, 'match' | 'name' | 'statPrefix'> => ({
  match: compileHttpMatch(match),
  ...(match.name !== undefined && { name: match.name }),
  ...(match.statPrefix !== undefined && { statPrefix: match.statPrefix }),
})

interface CompiledRoute {
  readonly route: Omit<Route, 'match'>
  readonly reached: readonly ReachedService[]
}

const compileRoute = (
  view: MeshView,
  virtualService: VirtualService,
  route: HttpRoute,
  origin: RequestOrigin,
  report: Report,
): CompiledRoute => {
  const { action, reached } = compileAction(view, virtualService, route, origin, report)
  const onlyHeaders = onlyDestination(route)?.headers
  const requestHeaders = compileHeaderChanges(route.headers?.request, onlyHeaders?.request)
  const responseHeaders = compileHeaderChanges(route.headers?.response, onlyHeaders?.response)
  const fault = route.fault && compileFault(route.fault)
  return {
    route: {
      action,
      ...(requestHeaders && { requestHeaders }),
      ...(responseHeaders && { responseHeaders }),
      ...(fault && { fault }),
      ...(route.corsPolicy && { cors: compileCors(route.corsPolicy) }),
    },
    reached,
  }
}

/** The headers of an only destination are the route's, and come after them; those of several come before. Istio does the same. */
const onlyDestination = ({ route, redirect, directResponse }: HttpRoute): HttpRouteDestination | undefined =>
  route?.length === 1 && !redirect && !directResponse ? route[0] : undefined

const compileAction = (
  view: MeshView,
  virtualService: VirtualService,
  route: HttpRoute,
  origin: RequestOrigin,
  report: Report,
): { readonly action: Route['action']; readonly reached: readonly ReachedService[] } => {
  if (route.redirect)
    return { action: compileRedirect(route.redirect, origin.port, comesByTls(view, origin)), reached: [] }
  if (route.directResponse) return { action: compileRespond(route.directResponse), reached: [] }

  const toDestination = (destination: Destination) =>
    compileDestination(view, virtualService, destination, origin, report)
  const only = onlyDestination(route)
  // Envoy wants a weight of at least 1 of each that it is to know.
  const used = only ? [only] : (route.route ?? []).filter(({ weight }) => (weight ?? 0) > 0)
  const destinations = used.map((settings) => ({ ...toDestination(settings.destination), settings }))
  const mirrors = toMirrors(route).map(({ destination, share }) => ({ ...toDestination(destination), share }))
  // Istio: those of all destinations.
  const hashPolicies = destinations.flatMap(({ effective }) => compileHashPolicy(effective.loadBalancer) ?? [])
  const isHashed = only !== undefined && hashPolicies.length > 0
  const retries = route.retries
    ? compileRetries(route.retries, isHashed)
    : isHashed && compileDefaultRetries(view.meshConfig(), true)
  const authority =
    route.rewrite?.authority ?? toAuthority(route.headers?.request) ?? toAuthority(only?.headers?.request)
  return {
    action: {
      kind: 'forward',
      destinations: destinations.map(({ upstream, settings }) =>
        only ? { upstream, weight: 1 } : compileWeighted(upstream, settings),
      ),
      timeoutMs: route.timeout ? toMilliseconds(route.timeout) : 0,
      ...compilePathRewrite(route.rewrite),
      ...(authority !== undefined && { authority }),
      ...(retries && { retries }),
      ...(hashPolicies.length > 0 && { hashPolicies }),
      ...(mirrors.length > 0 && { mirrors: mirrors.map(({ upstream, share }) => ({ upstream, share })) }),
    },
    reached: [...destinations, ...mirrors].flatMap(({ reached }) => reached ?? []),
  }
}

const compileWeighted = (upstream: string, { weight = 0, headers }: HttpRouteDestination): RouteDestination => {
  const authority = toAuthority(headers?.request)
  const requestHeaders = compileHeaderChanges(headers?.request)
  const responseHeaders = compileHeaderChanges(headers?.response)
  return {
    upstream,
    weight,
    ...(authority !== undefined && { authority }),
    ...(requestHeaders && { requestHeaders }),
    ...(responseHeaders && { responseHeaders }),
  }
}

/** Who gets copies: without a percentage of all requests. */
const toMirrors = ({ mirror, mirrors = [], mirrorPercentage, ...old }: HttpRoute) => {
  const percent = mirrorPercentage ?? { value: old.mirrorPercent ?? old.mirror_percent ?? 100 }
  return [...(mirror ? [{ destination: mirror, percentage: percent }] : []), ...mirrors]
    .map(({ destination, percentage = { value: 100 } }) => ({ destination, share: toShare(percentage) }))
    .filter(({ share }) => share > 0)
}

const compilePathRewrite = (rewrite: HttpRoute['rewrite']): Pick<Forward, 'pathRewrite'> => {
  if (rewrite?.uriRegexRewrite) {
    const { match, rewrite: substitution } = rewrite.uriRegexRewrite
    return { pathRewrite: { kind: 'regex', pattern: match, substitution } }
  }
  return rewrite?.uri === undefined ? {} : { pathRewrite: { kind: 'prefix', prefix: rewrite.uri } }
}

/** Whether requests were made with https: by a server of a Gateway. Sidecars take http alone. */
const comesByTls = (view: MeshView, { gateway, port }: RequestOrigin): boolean => {
  const servers = gateway && view.gatewayObject(gateway.name)?.spec.servers
  return servers?.some((server) => server.port.number === port && isTlsPort(server.port)) ?? false
}

const compileRedirect = (
  redirect: NonNullable<HttpRoute['redirect']>,
  requestPort: number,
  comesByHttps: boolean,
): Redirect => {
  const port = redirect.port ?? (redirect.derivePort === 'FROM_REQUEST_PORT' ? requestPort : undefined)
  const isHttps = redirect.scheme === undefined ? comesByHttps : redirect.scheme === 'https'
  const goesWithoutSaying = port === (isHttps ? 443 : 80)
  return {
    kind: 'redirect',
    code: redirect.redirectCode ?? 301,
    ...(redirect.scheme !== undefined && { scheme: redirect.scheme }),
    ...(redirect.authority !== undefined && { authority: redirect.authority }),
    ...(port !== undefined && !goesWithoutSaying && { port }),
    ...(redirect.uri !== undefined && { path: { kind: 'whole', text: redirect.uri } }),
    ...(redirect.prefixRewrite !== undefined && { path: { kind: 'prefix', text: redirect.prefixRewrite } }),
  }
}

const compileRespond = ({ status, body }: NonNullable<HttpRoute['directResponse']>): Respond => {
  const content = body?.bytes === undefined ? body?.string : base64Decode(body.bytes)
  return { kind: 'respond', status, ...(content !== undefined && { body: content }) }
}
