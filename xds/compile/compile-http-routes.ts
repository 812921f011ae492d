import { base64Decode } from '@bufbuild/protobuf/wire'
import { toMilliseconds } from '#mesh/config/schema/duration.ts'
import type { HttpRoute } from '#mesh/config/schema/http-route.ts'
import type { MeshView } from '#mesh/view.ts'
import type { Forward, Redirect, Respond, Retries, Route, RouteDestination } from '#xds/model/virtual-host.ts'
import { compileDestination, type ReachedService } from './compile-destination.ts'
import { compileHeaderChanges, toAuthority } from './compile-header-changes.ts'
import {
  anyRequest,
  compileHttpMatch,
  isRelevantMatch,
  matchesAnyRequest,
  type RequestOrigin,
} from './compile-http-match.ts'
import { compileHashPolicy } from './compile-traffic-policy.ts'
import type { Report } from './report.ts'
import type { VirtualService } from './select-virtual-service.ts'

/**
 * Istio reference: HTTPRetry.attempts, retryOn ("defaults to …"). An application that has just ended is a connection failure as well, though
 * the proxy beside it still answers.
 */
export const defaultRetries: Retries = {
  attempts: 2,
  on: ['connect-failure', 'refused-stream', 'unavailable', 'cancelled'],
  onStatusCodes: [],
  onUndelivered: true,
}

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
  for (const route of virtualService.spec.http ?? []) {
    const matches = route.match?.length
      ? route.match.filter((match) => isRelevantMatch(match, origin)).map(compileHttpMatch)
      : [anyRequest]
    if (matches.length === 0) continue
    const action = compileAction(view, virtualService, route, origin, report)
    reached.push(...action.reached)
    const requestHeaders = compileHeaderChanges(route.headers?.request)
    const responseHeaders = compileHeaderChanges(route.headers?.response)
    for (const match of matches) {
      routes.push({
        match,
        action: action.action,
        ...(route.name !== undefined && { name: route.name }),
        ...(requestHeaders && { requestHeaders }),
        ...(responseHeaders && { responseHeaders }),
      })
      if (matchesAnyRequest(match)) return { routes, reached }
    }
  }
  return { routes, reached }
}

const compileAction = (
  view: MeshView,
  virtualService: VirtualService,
  route: HttpRoute,
  origin: RequestOrigin,
  report: Report,
): { readonly action: Route['action']; readonly reached: readonly ReachedService[] } => {
  if (route.redirect) return { action: compileRedirect(route.redirect, origin.port), reached: [] }
  if (route.directResponse) return { action: compileRespond(route.directResponse), reached: [] }

  const all = route.route ?? []
  // Envoy wants a weight of at least 1 of each that it is to know.
  const used = all.length > 1 ? all.filter(({ weight }) => (weight ?? 0) > 0) : all
  const destinations = used.map((each) => ({
    ...compileDestination(view, virtualService, each.destination, origin, report),
    settings: each,
  }))
  const hashPolicy = destinations.map(({ effective }) => compileHashPolicy(effective.loadBalancer)).find(Boolean)
  const authority = route.rewrite?.authority ?? toAuthority(route.headers?.request)
  return {
    action: {
      kind: 'forward',
      destinations: destinations.map(({ upstream, settings }): RouteDestination => {
        const requestHeaders = compileHeaderChanges(settings.headers?.request)
        const responseHeaders = compileHeaderChanges(settings.headers?.response)
        return {
          upstream,
          weight: used.length > 1 ? (settings.weight ?? 0) : 1,
          ...(requestHeaders && { requestHeaders }),
          ...(responseHeaders && { responseHeaders }),
        }
      }),
      timeoutMs: route.timeout ? toMilliseconds(route.timeout) : 0,
      ...compilePathRewrite(route.rewrite),
      ...(authority !== undefined && { authority }),
      ...(route.retries && { retries: compileRetries(route.retries) }),
      ...(hashPolicy && { hashPolicy }),
    },
    reached: destinations.flatMap(({ reached }) => reached ?? []),
  }
}

const compilePathRewrite = (rewrite: HttpRoute['rewrite']): Pick<Forward, 'pathRewrite'> => {
  if (rewrite?.uriRegexRewrite) {
    const { match, rewrite: substitution } = rewrite.uriRegexRewrite
    return { pathRewrite: { kind: 'regex', pattern: match, substitution } }
  }
  return rewrite?.uri === undefined ? {} : { pathRewrite: { kind: 'prefix', prefix: rewrite.uri } }
}

const compileRetries = ({ attempts = 0, perTryTimeout, retryOn }: NonNullable<HttpRoute['retries']>): Retries => {
  const conditions = retryOn?.split(',') ?? defaultRetries.on
  const codes = conditions.filter((condition) => /^\d/.test(condition) && condition !== '5xx')
  const named = conditions.filter((condition) => !codes.includes(condition))
  return {
    attempts,
    on: codes.length > 0 && !named.includes('retriable-status-codes') ? [...named, 'retriable-status-codes'] : named,
    onStatusCodes: codes.map(Number),
    onUndelivered: conditions.includes('connect-failure'),
    ...(perTryTimeout && { perTryTimeoutMs: toMilliseconds(perTryTimeout) }),
  }
}

const compileRedirect = (redirect: NonNullable<HttpRoute['redirect']>, requestPort: number): Redirect => {
  const port = redirect.port ?? (redirect.derivePort === 'FROM_REQUEST_PORT' ? requestPort : undefined)
  return {
    kind: 'redirect',
    code: redirect.redirectCode ?? 301,
    ...(redirect.scheme !== undefined && { scheme: redirect.scheme }),
    ...(redirect.authority !== undefined && { authority: redirect.authority }),
    ...(port !== undefined && { port }),
    ...(redirect.uri !== undefined && { path: { kind: 'whole', text: redirect.uri } }),
    ...(redirect.prefixRewrite !== undefined && { path: { kind: 'prefix', text: redirect.prefixRewrite } }),
  }
}

const compileRespond = ({ status, body }: NonNullable<HttpRoute['directResponse']>): Respond => {
  const content = body?.bytes === undefined ? body?.string : base64Decode(body.bytes)
  return { kind: 'respond', status, ...(content !== undefined && { body: content }) }
}
