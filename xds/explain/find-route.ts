import type { Duration } from '@bufbuild/protobuf/wkt'
import {
  VirtualHost_TlsRequirementType as TlsRequirement,
  type RedirectAction,
  type RetryPolicy,
  type Route,
  type RouteAction,
  type VirtualHost,
} from '#envoy/envoy/config/route/v3/route_components_pb.ts'
import { HTTPFaultSchema } from '#envoy/envoy/extensions/filters/http/fault/v3/fault_pb.ts'
import {
  FractionalPercent_DenominatorType as Denominator,
  type FractionalPercent,
} from '#envoy/envoy/type/v3/percent_pb.ts'
import { blockAllHost } from '#xds/compile/resource-names.ts'
import type { JudgedRequest } from '#xds/judge/judged-call.ts'
import type { End, Found, Step, Stop } from './explanation.ts'
import { forwardRequest } from './forward-request.ts'
import { toShares, type Handler, type Share } from './find-handler.ts'
import { matchesRequest, selectVirtualHost, type Request } from './match-request.ts'
import { toDeciders, unpack } from './served.ts'

type HttpHandler = Extract<Handler, { kind: 'http' }>

/** A route that a request takes. */
export interface TakenRoute {
  /** Of all requests: with what is aborted they make up 1. */
  readonly shares: readonly Share[]
  /** What is answered on purpose. */
  readonly aborted: (End & { readonly stop: Stop }) | undefined
  /** The request as it is sent on to an EnvoyCluster. */
  readonly forward: (request: JudgedRequest, xdsCluster: string) => JudgedRequest
}

/** The route that a request takes, and what the proxy does on it. */
export const findRoute = (handler: HttpHandler, request: Request, proxy: string): Found<TakenRoute> => {
  const { authority } = request
  const host = handler.ignoresPort ? authority.replace(/:\d+$/, '') : authority
  const chosen = selectVirtualHost(handler.virtualHosts, host)
  if (!chosen) {
    return {
      steps: [],
      stop: {
        code: 'no-route',
        text: `Route configuration ${handler.routes} has no virtual host for ${request.authority}`,
        fix: 'Ask for a host that the configuration names, or add it there.',
        answer: 404,
      },
    }
  }
  const { virtualHost, domain } = chosen
  if (virtualHost.name === blockAllHost) {
    return {
      steps: [],
      stop: {
        code: 'blocked-outbound',
        text: `${proxy} knows no ${request.authority}, and the outbound policy is REGISTRY_ONLY`,
        fix: 'Add a ServiceEntry for it, or make outboundTrafficPolicy ALLOW_ANY.',
        answer: 502,
      },
    }
  }
  if (virtualHost.requireTls === TlsRequirement.ALL && request.scheme !== 'https') {
    return {
      steps: [],
      stop: {
        code: 'answered-by-route',
        text: `${domain} redirects to https: its server in the Gateway says httpsRedirect`,
        fix: 'Ask by https.',
        answer: 301,
      },
    }
  }
  const route = virtualHost.routes.find(({ match }) => matchesRequest(match, request))
  if (!route) return stopWithoutRoute(virtualHost, request)

  const decidedBy = toDeciders(route.metadata)
  const step: Step = {
    stage: 'route',
    proxy,
    text: `${request.method} ${request.authority}${request.path} takes ${toRouteText(route)} of ${virtualHost.name}`,
    details: toDetails(route, virtualHost),
    decidedBy,
  }
  const steps = [step]
  const aborted = findAbort(route, decidedBy)
  if (aborted && aborted.share >= 1) return { steps, stop: aborted.stop }
  const { action } = route
  switch (action.case) {
    case 'route':
      return {
        steps,
        value: {
          shares: toRouteShares(action.value, 1 - (aborted?.share ?? 0)),
          aborted,
          forward: (sent, xdsCluster) => forwardRequest(sent, { virtualHost, route, xdsCluster }),
        },
      }
    case 'redirect':
      return {
        steps,
        stop: {
          code: 'answered-by-route',
          text: `The route redirects (${redirectCodes[action.value.responseCode] ?? 301})${toRedirectText(action.value)}`,
          fix: 'Ask for what it redirects to.',
          answer: redirectCodes[action.value.responseCode] ?? 301,
          decidedBy,
        },
      }
    case 'directResponse':
      return {
        steps,
        stop: {
          code: 'answered-by-route',
          text: `The route answers ${action.value.status} itself`,
          fix: 'Change the route, or ask for something that another route takes.',
          answer: action.value.status,
          decidedBy,
        },
      }
    default:
      return {
        steps,
        stop: {
          code: 'no-route',
          text: 'The route leads nowhere',
          fix: 'Give it a destination.',
          answer: 404,
          decidedBy,
        },
      }
  }
}

/** Of RedirectAction, by number. */
const redirectCodes: readonly number[] = [301, 302, 303, 307, 308]

const stopWithoutRoute = ({ name, routes }: VirtualHost, request: Request): Found<TakenRoute> => {
  const [first] = routes.flatMap(({ metadata }) => toDeciders(metadata))
  const wanted = routes.slice(0, 5).map(toRouteText).join('; ')
  return {
    steps: [],
    stop: {
      code: 'no-route',
      text: `No route of ${name} takes ${request.method} ${request.path}${wanted === '' ? '' : `; there is: ${wanted}`}`,
      fix: 'Add a route without a match at the end, or ask for what one of them takes.',
      answer: 404,
      ...(first && { decidedBy: [{ object: first.object, path: 'http' }] }),
    },
  }
}

/** A route by its name and what it matches. */
const toRouteText = ({ name, match }: Route): string => {
  const path = match?.pathSpecifier
  const what =
    path?.case === 'safeRegex'
      ? `regex ${path.value.regex}`
      : path?.case === 'path'
        ? `path ${path.value}`
        : path?.case === 'connectMatcher'
          ? 'CONNECT'
          : `prefix ${typeof path?.value === 'string' ? path.value : '/'}`
  const headers = (match?.headers ?? []).map((header) => header.name)
  const parameters = (match?.queryParameters ?? []).map((parameter) => `?${parameter.name}`)
  const claims = (match?.dynamicMetadata ?? []).map(
    ({ path }) =>
      `claim ${path
        .slice(1)
        .map(({ segment }) => segment.value ?? '')
        .join('.')}`,
  )
  const others = [...headers, ...parameters, ...claims]
  return `route ${name === '' ? '' : `${name} `}(${what}${others.length > 0 ? `, by ${others.join(', ')}` : ''})`
}

const toRouteShares = ({ clusterSpecifier }: RouteAction, whole: number): readonly Share[] => {
  if (clusterSpecifier.case === 'cluster') return [{ xdsCluster: clusterSpecifier.value, share: whole }]
  const shares = clusterSpecifier.case === 'weightedClusters' ? toShares(clusterSpecifier.value.clusters) : []
  return shares.map(({ xdsCluster, share }) => ({ xdsCluster, share: share * whole }))
}

const toDetails = ({ action, typedPerFilterConfig }: Route, virtualHost: VirtualHost): readonly string[] => {
  if (action.case !== 'route') return []
  const { timeout, retryPolicy, prefixRewrite, hostRewriteSpecifier, requestMirrorPolicies } = action.value
  const fault = unpack(typedPerFilterConfig[faultFilter], HTTPFaultSchema)
  const delay = fault?.delay?.faultDelaySecifier
  return [
    toTimeoutText(timeout),
    toRetryText(retryPolicy ?? virtualHost.retryPolicy),
    ...(prefixRewrite === '' ? [] : [`the path's beginning becomes ${prefixRewrite}`]),
    ...(hostRewriteSpecifier.case === 'hostRewriteLiteral' ? [`the host becomes ${hostRewriteSpecifier.value}`] : []),
    ...requestMirrorPolicies.map(({ cluster }) => `copies go to ${cluster}`),
    ...(delay?.case === 'fixedDelay'
      ? [`${toPercentText(fault?.delay?.percentage)} wait ${toSeconds(delay.value)} on purpose`]
      : []),
    ...(fault?.abort ? [`${toPercentText(fault.abort.percentage)} are aborted on purpose`] : []),
  ]
}

const faultFilter = 'envoy.filters.http.fault'

/** What a fault does to a route's requests; undefined = it lets them all through. */
const findAbort = ({ typedPerFilterConfig }: Route, decidedBy: Stop['decidedBy'] = []): TakenRoute['aborted'] => {
  const abort = unpack(typedPerFilterConfig[faultFilter], HTTPFaultSchema)?.abort
  const percent = toPercent(abort?.percentage)
  if (!abort || percent === 0) return undefined
  // gRPC's status comes with 200.
  const answer = abort.errorType.case === 'httpStatus' ? abort.errorType.value : 200
  const requests = percent >= 100 ? 'every request' : `${toPercentText(abort.percentage)} of the requests`
  return {
    share: Math.min(percent / 100, 1),
    stop: {
      code: 'fault-injected',
      text: `The route answers ${requests} with ${answer}`,
      fix: 'Take the fault off the route.',
      answer,
      decidedBy,
    },
  }
}

const denominators: Readonly<Record<number, number>> = {
  [Denominator.HUNDRED]: 100,
  [Denominator.TEN_THOUSAND]: 10_000,
  [Denominator.MILLION]: 1_000_000,
}

const toPercent = (fraction: FractionalPercent | undefined): number =>
  fraction ? (100 * fraction.numerator) / (denominators[fraction.denominator] ?? 100) : 0
const toPercentText = (fraction: FractionalPercent | undefined): string =>
  `${Math.round(toPercent(fraction) * 100) / 100} %`

const toTimeoutText = (timeout: Duration | undefined): string =>
  !timeout || (timeout.seconds === 0n && timeout.nanos === 0) ? 'no timeout' : `timeout ${toSeconds(timeout)}`

export const toSeconds = ({ seconds, nanos }: Duration): string => `${Number(seconds) + nanos / 1e9}s`

const toRetryText = (policy: RetryPolicy | undefined): string => {
  const retries = policy ? (policy.numRetries ?? 1) : 0
  if (!policy || retries === 0) return 'no retries'
  const each = policy.perTryTimeout ? ` of ${toSeconds(policy.perTryTimeout)} each` : ''
  const codes = policy.retriableStatusCodes.length > 0 ? ` (${policy.retriableStatusCodes.join(', ')})` : ''
  return `${retries} retries${each} on ${policy.retryOn.replaceAll(',', ', ')}${codes}`
}

const toRedirectText = ({ hostRedirect, schemeRewriteSpecifier, pathRewriteSpecifier }: RedirectAction): string => {
  const scheme = schemeRewriteSpecifier.case === 'schemeRedirect' ? `${schemeRewriteSpecifier.value}://` : ''
  const path = typeof pathRewriteSpecifier.value === 'string' ? pathRewriteSpecifier.value : ''
  const to = `${scheme}${hostRedirect}${path}`
  return to === '' ? '' : ` to ${to}`
}
