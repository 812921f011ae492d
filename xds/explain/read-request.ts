import type { JwtAuthentication } from '#envoy/envoy/extensions/filters/http/jwt_authn/v3/config_pb.ts'
import { nobodysIssuer } from '#xds/build/build-token-filter.ts'
import type { JudgedRequest } from '#xds/judge/judged-call.ts'
import { isPlainHttp, toAuthority, type SettledCall } from './call.ts'
import type { Handler } from './find-handler.ts'

/** A request as its client makes it. What nobody says of it is not there, but what clients set by themselves, and where they have a token. */
export const toJudgedRequest = (call: SettledCall): JudgedRequest => ({
  method: call.method,
  authority: toAuthority(call),
  path: call.path,
  headers: bringsToken(call) ? { authorization: undefined, ...call.headers } : call.headers,
  hasAllHeaders: true,
  claims: call.claims,
})

const bringsToken = ({ claims }: Pick<SettledCall, 'claims'>): boolean => Object.keys(claims ?? {}).length > 0

/** Undefined: proxies can't read it. */
export const toSentRequest = (call: SettledCall): JudgedRequest | undefined =>
  isPlainHttp(call) ? toJudgedRequest(call) : undefined

const forwardedFor = 'x-forwarded-for'

/** Where a request comes from, as a proxy takes it; undefined = it is not known. Of connections it is where they come from. */
export const toClientAddress = (
  handler: Handler,
  request: JudgedRequest | undefined,
  connectedFrom: string | undefined,
): string | undefined => {
  if (handler.kind !== 'http') return connectedFrom
  if (!request) return undefined
  if (handler.trustedHops > 0) return toTrustedAddress(handler, request, connectedFrom)
  if (!handler.believesForwarded) return connectedFrom
  if (!Object.hasOwn(request.headers, forwardedFor)) return request.hasAllHeaders ? connectedFrom : undefined
  return request.headers[forwardedFor]?.split(',').at(-1)?.trim()
}

/** Envoy: xff_num_trusted_hops, use_remote_address: behind so many proxies the client is that many places from the end; where there are fewer, who has connected. */
const toTrustedAddress = (
  { trustedHops, believesForwarded }: Extract<Handler, { readonly kind: 'http' }>,
  { headers, hasAllHeaders }: JudgedRequest,
  connectedFrom: string | undefined,
): string | undefined => {
  const told = headers[forwardedFor]
  if (believesForwarded || (told === undefined && (Object.hasOwn(headers, forwardedFor) || !hasAllHeaders)))
    return undefined
  return told?.split(',').at(-trustedHops)?.trim() ?? connectedFrom
}

/** A gateway adds where a request came from, and may take away the token that it has verified. */
export const toMarkedRequest = (
  handler: Handler,
  tokens: JwtAuthentication | undefined,
  request: JudgedRequest,
): JudgedRequest => {
  const isEdge = handler.kind === 'http' && !handler.believesForwarded
  return {
    ...request,
    headers: isEdge ? { ...request.headers, [forwardedFor]: undefined } : request.headers,
    claims: toForwardedClaims(tokens, request.claims),
  }
}

const toForwardedClaims = (
  tokens: JwtAuthentication | undefined,
  claims: JudgedRequest['claims'],
): JudgedRequest['claims'] => {
  const providers = tokens && tokens.rules.length > 0 ? Object.values(tokens.providers) : []
  const looking = providers.filter(({ issuer }) => issuer !== nobodysIssuer)
  if (looking.every(({ forward }) => forward)) return claims
  // Cookies are left as they are.
  return looking.some(({ forward, fromCookies }) => forward || fromCookies.length > 0) ? undefined : {}
}
