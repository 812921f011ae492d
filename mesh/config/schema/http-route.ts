import { z } from 'zod'
import { checkWeights, destination, weight } from './destination.ts'
import { positiveDuration } from './duration.ts'
import { corsPolicy } from './cors-policy.ts'
import { headerOperations, isAuthorityHeader } from './header-operations.ts'
import { httpFault, httpStatus } from './http-fault.ts'
import { httpMatch } from './http-match.ts'
import { httpRetries } from './http-retries.ts'
import { checked, choice, fieldNotes, message, optionalText, setFields } from './message.ts'
import { percentage } from './percentage.ts'
import { optionalPortNumber } from './ports.ts'
import { regularExpression } from './regular-expression.ts'
import { toUtf8Length } from './utf8-length.ts'

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
    if (setFields(value, ['uri', 'prefixRewrite', 'authority', 'port', 'derivePort', 'scheme']).length === 0) {
      report('needs a uri, prefixRewrite, authority, scheme or port')
    }
    if (value.uri !== undefined && value.prefixRewrite !== undefined) report('takes only one of uri, prefixRewrite')
    if (value.port !== undefined && value.derivePort !== undefined) report('takes only one of port, derivePort')
  },
)

/** Istio's limit, which route configurations are built with. */
export const maxBodyBytes = 1_048_576
const base64 = /^(?:[A-Za-z0-9+/_-]{4})*(?:[A-Za-z0-9+/_-]{2,3}={0,2})?$/

const directResponse = message({
  status: httpStatus,
  body: checked(
    message({
      string: z.string().optional(),
      /** Base64. */
      bytes: z.string().regex(base64, 'must be base64').optional(),
    }),
    ({ value, report }) => {
      const size = Math.max(toUtf8Length(value.string ?? ''), Math.floor((value.bytes ?? '').length * 0.75))
      if (size > maxBodyBytes) report(`must be at most ${maxBodyBytes} bytes`)
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

/** networking.istio.io HTTPMirrorPolicy. */
const httpMirror = message({
  destination,
  /** Absent = all requests. */
  percentage: percentage.optional(),
})

/** The old form of mirrorPercentage, which goes before it. */
const mirrorPercent = z.int().min(0).max(100).optional()

/** A VirtualService without hosts, whose routes come in the place of this one. Without a namespace: one of the object's own. */
const delegate = message({ name: optionalText(z.string()), namespace: optionalText(z.string()) })

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
    retries: httpRetries.optional(),
    headers: headerOperations.optional(),
    delegate: delegate.optional(),
    fault: httpFault.optional(),
    corsPolicy: corsPolicy.optional(),
    mirror: destination.optional(),
    mirrors: z.array(httpMirror).optional(),
    /** Of `mirror`; absent = all requests. */
    mirrorPercentage: percentage.optional(),
    mirrorPercent,
    mirror_percent: mirrorPercent,
  }),
  ({ value, sound, report }) => {
    const actions = [
      ...((value.route?.length ?? 0) > 0 ? ['route'] : []),
      ...setFields(value, ['redirect', 'directResponse']),
    ]
    if (value.delegate) {
      const [own] = actions.filter((action) => action !== 'directResponse')
      if (own !== undefined) report('leaves the rest to another VirtualService', [own])
    } else {
      if (sound && actions.length === 0) report('needs a route, redirect, directResponse or delegate')
      if (actions.length > 1) report(`takes only one of ${actions.join(', ')}`)
      if (value.rewrite && (value.redirect || value.directResponse))
        report('only a route can be rewritten', ['rewrite'])
      if (value.fault && (value.redirect || value.directResponse)) report('only a route can fail', ['fault'])
      if (value.mirror && (value.mirrors?.length ?? 0) > 0) report('takes only one of mirror, mirrors')
    }
    if (value.mirrorPercent !== undefined && value.mirror_percent !== undefined)
      report('is mirrorPercent in its old spelling: give it once', ['mirror_percent'])
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
export type HttpRoute = z.output<typeof httpRoute> & Delegated

/** Of routes that delegates are merged with. Not in the schema: nobody says it of himself. */
interface Delegated {
  /** The object and the field in its spec that hold it. Absent = where it is found. */
  readonly writtenAt?: WrittenAt
}

/** The key of an object and a path in its spec. */
export interface WrittenAt {
  readonly object: string
  readonly path: string
}
