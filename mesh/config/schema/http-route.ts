import { z } from 'zod'
import { checkWeights, destination, weight } from './destination.ts'
import { positiveDuration } from './duration.ts'
import { gatewayNames } from './gateway-names.ts'
import { headerOperations, isAuthorityHeader, isMatchableHeader } from './header-operations.ts'
import { isDnsLabel } from './host-names.ts'
import { checked, choice, fieldNotes, message, optionalText, setFields, unsupported, withoutEffect } from './message.ts'
import { optionalPortNumber } from './ports.ts'
import { regularExpression } from './regular-expression.ts'
import { absentHeaderMatch, stringMatch, uriMatch } from './string-match.ts'

const headerMatches = <Match extends z.ZodType>(match: Match) =>
  checked(z.record(z.string(), match), ({ value, report }) => {
    for (const name of Object.keys(value)) {
      if (name.startsWith('@')) report('routing by JWT claims is not supported', [name], { problem: 'unsupported' })
      else if (!isMatchableHeader(name)) report('is not a header name', [name])
    }
  }).optional()

/** networking.istio.io HTTPMatchRequest: all that is set must match. */
const httpMatch = message({
  name: withoutEffect(z.string()),
  uri: uriMatch.optional(),
  scheme: stringMatch.optional(),
  method: stringMatch.optional(),
  authority: stringMatch.optional(),
  headers: headerMatches(stringMatch),
  withoutHeaders: headerMatches(absentHeaderMatch),
  queryParams: z.record(z.string(), stringMatch).optional(),
  ignoreUriCase: z.boolean().optional(),
  port: optionalPortNumber,
  sourceNamespace: optionalText(
    checked(z.string(), ({ value, report }) => {
      if (!isDnsLabel(value)) report('is not a namespace')
    }),
  ),
  gateways: gatewayNames,
  sourceLabels: unsupported("routes that depend on the caller's labels are not supported: use sourceNamespace"),
  statPrefix: unsupported('statistics per match are not supported'),
})
export type HttpMatch = z.output<typeof httpMatch>

const httpRouteDestination = message({ destination, weight, headers: headerOperations.optional() })
export type HttpRouteDestination = z.output<typeof httpRouteDestination>

const redirectCodes: readonly number[] = [301, 302, 303, 307, 308]

const redirectCode = checked(z.int(), ({ value, report }) => {
  if (value < 300 || value > 399) report('must be from 300 to 399')
  else if (!redirectCodes.includes(value)) {
    report(`Envoy redirects with ${redirectCodes.join(', ')} only`, [], { problem: 'unsupported' })
  }
}).register(fieldNotes, { limit: redirectCodes.join(', ') })

const redirect = checked(
  message({
    uri: optionalText(z.string()),
    prefixRewrite: optionalText(z.string()),
    authority: optionalText(z.string()),
    port: optionalPortNumber,
    derivePort: choice(['FROM_PROTOCOL_DEFAULT', 'FROM_REQUEST_PORT']).optional(),
    scheme: optionalText(choice(['http', 'https'])),
    redirectCode: redirectCode.optional(),
  }),
  ({ value, report }) => {
    if (setFields(value, ['uri', 'prefixRewrite', 'authority', 'port', 'scheme']).length === 0) {
      report('needs a uri, prefixRewrite, authority, scheme or port')
    }
    if (value.uri !== undefined && value.prefixRewrite !== undefined) report('takes only one of uri, prefixRewrite')
    if (value.port !== undefined && value.derivePort !== undefined) report('takes only one of port, derivePort')
  },
)

const maxBodyBytes = 1_000_000
const base64 = /^(?:[A-Za-z0-9+/_-]{4})*(?:[A-Za-z0-9+/_-]{2,3}={0,2})?$/

const directResponse = message({
  status: z.int().min(200).max(599),
  body: checked(
    message({
      string: z.string().max(maxBodyBytes).optional(),
      /** Base64. */
      bytes: z.string().max(maxBodyBytes).regex(base64, 'must be base64').optional(),
    }),
    ({ value, report }) => {
      if (setFields(value, ['string', 'bytes']).length > 1) report('takes only one of string, bytes')
    },
  ).optional(),
})

const rewrite = checked(
  message({
    uri: optionalText(z.string()),
    authority: optionalText(z.string()),
    uriRegexRewrite: message({ match: regularExpression, rewrite: z.string().min(1, 'must not be empty') }).optional(),
  }),
  ({ value, report }) => {
    if (setFields(value, ['uri', 'authority', 'uriRegexRewrite']).length === 0)
      report('needs a uri, uriRegexRewrite or authority')
    if (value.uri !== undefined && value.uriRegexRewrite !== undefined) report('takes only one of uri, uriRegexRewrite')
  },
)

/** What Envoy's x-envoy-retry-on and x-envoy-retry-grpc-on take; a status code stands for itself. */
const retryConditions: readonly string[] = [
  '5xx',
  'gateway-error',
  'reset',
  'reset-before-request',
  'connect-failure',
  'retriable-4xx',
  'refused-stream',
  'retriable-status-codes',
  'retriable-headers',
  'envoy-ratelimited',
  'http3-post-connect-failure',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
]

const retries = checked(
  message({
    /** 0 switches retries off. */
    attempts: z.int().min(0).max(0x7fff_ffff).optional(),
    perTryTimeout: positiveDuration.optional(),
    retryOn: optionalText(
      checked(z.string(), ({ value, report }) => {
        for (const condition of value.split(',')) {
          if (!retryConditions.includes(condition) && !/^[1-5]\d\d$/.test(condition)) {
            report(`"${condition}" is neither a status code nor one of ${retryConditions.join(', ')}`)
          }
        }
      }),
    ),
    backoff: unsupported("the time between tries can't be set"),
    retryIgnorePreviousHosts: unsupported("the host of a retry can't be steered"),
    retryRemoteLocalities: unsupported("the locality of a retry can't be steered"),
  }),
  ({ value, report }) => {
    if ((value.attempts ?? 0) === 0 && setFields(value, ['perTryTimeout', 'retryOn']).length > 0) {
      report('has conditions but no attempts: set attempts, or leave the rest out')
    }
  },
)

const mirroring = unsupported('mirroring is not supported')

/** networking.istio.io HTTPRoute: the first whose match fits is taken. */
export const httpRoute = checked(
  message({
    name: z.string().optional(),
    match: z.array(httpMatch).optional(),
    route: z.array(httpRouteDestination).optional(),
    redirect: redirect.optional(),
    directResponse: directResponse.optional(),
    rewrite: rewrite.optional(),
    timeout: positiveDuration.optional(),
    retries: retries.optional(),
    headers: headerOperations.optional(),
    delegate: unsupported('delegation to other VirtualServices is not supported'),
    fault: unsupported('fault injection is not supported'),
    corsPolicy: unsupported('CORS is not supported'),
    mirror: mirroring,
    mirrors: mirroring,
    mirrorPercentage: mirroring,
    mirrorPercent: mirroring,
    mirror_percent: mirroring,
  }),
  ({ value, sound, report }) => {
    const actions = [
      ...((value.route?.length ?? 0) > 0 ? ['route'] : []),
      ...setFields(value, ['redirect', 'directResponse']),
    ]
    if (sound && actions.length === 0) report('needs a route, redirect or directResponse')
    if (actions.length > 1) report(`takes only one of ${actions.join(', ')}`)
    if (value.rewrite && (value.redirect || value.directResponse)) report('only a route can be rewritten', ['rewrite'])
    checkWeights(value.route ?? [], (fault) => report(fault, ['route']))

    const setsAuthority = [
      ...Object.keys(value.headers?.request?.set ?? {}),
      ...Object.keys(value.headers?.request?.add ?? {}),
    ].filter(isAuthorityHeader)
    if (setsAuthority.length + (value.rewrite?.authority === undefined ? 0 : 1) > 1)
      report('sets the authority more than once')

    if (
      value.redirect?.prefixRewrite !== undefined &&
      value.match?.some((match) => match.uri && match.uri.prefix === undefined)
    ) {
      report('needs every match on the uri to be a prefix', ['redirect', 'prefixRewrite'])
    }
  },
)
export type HttpRoute = z.output<typeof httpRoute>
