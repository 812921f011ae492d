import type { JsonObject } from '@bufbuild/protobuf'
import type { JwtAuthentication, JwtProvider } from '#envoy/envoy/extensions/filters/http/jwt_authn/v3/config_pb.ts'
import { nobodysIssuer } from '#xds/build/build-token-filter.ts'
import { readHeader, type JudgedRequest } from './judged-call.ts'

/** What a proxy's filter of tokens makes of a request. */
export type Settled =
  /** What is judged by: of a proxy that verifies no tokens nothing. */
  | { readonly kind: 'settled'; readonly claims: JsonObject; readonly isVerified: boolean }
  | { readonly kind: 'refused'; readonly status: 401 | 403; readonly text: string }
  | { readonly kind: 'not-known'; readonly missing: string }

/** `claims`: what a right token of the request says; undefined = what it brings, if anything, can't be read. */
export const settleClaims = (
  filter: Pick<JwtAuthentication, 'rules' | 'providers'> | undefined,
  request: JudgedRequest,
): Settled => {
  const { claims } = request
  if (!filter || filter.rules.length === 0) return { kind: 'settled', claims: {}, isVerified: false }
  const providers = Object.values(filter.providers).filter(({ issuer }) => issuer !== nobodysIssuer)
  if (providers.length === 0) return { kind: 'refused', status: 401, text: 'no token and no request is right there' }
  if (claims === undefined) {
    const truth = bringsToken(providers, request)
    if (truth === false) return { kind: 'settled', claims: {}, isVerified: true }
    return { kind: 'not-known', missing: truth === true ? 'what its token says' : 'whether it brings a token' }
  }
  if (Object.keys(claims).length === 0) return { kind: 'settled', claims, isVerified: true }
  return verify(providers, claims)
}

const verify = (providers: readonly JwtProvider[], given: JsonObject): Settled => {
  const issuers = [...new Set(providers.map(({ issuer }) => issuer))]
  const [only = '', ...others] = issuers
  if (given['iss'] === undefined && (others.length > 0 || only === ''))
    return { kind: 'not-known', missing: `claim iss (${issuers.filter((each) => each !== '').join(', ')})` }
  const claims = { iss: only, ...given }
  const own = providers.filter(({ issuer }) => issuer === '' || issuer === claims.iss)
  if (own.length === 0)
    return {
      kind: 'refused',
      status: 401,
      text: `tokens of ${String(claims.iss)} are not right there, but of ${issuers.join(', ')}`,
    }
  const audiences = [given['aud'] ?? []].flat()
  const fitting = own.find(
    (each) => each.audiences.length === 0 || each.audiences.some((one) => audiences.includes(one)),
  )
  if (!fitting) {
    const wanted = [...new Set(own.flatMap((each) => each.audiences))].join(', ')
    return { kind: 'refused', status: 403, text: `a token has to be for ${wanted}` }
  }
  const spaced = fitting.normalizePayloadInMetadata?.spaceDelimitedClaims ?? []
  return {
    kind: 'settled',
    isVerified: true,
    claims: Object.fromEntries(
      Object.entries(claims).map(([name, value]) => [
        name,
        spaced.includes(name) && typeof value === 'string' && value.includes(' ') ? value.split(' ') : value,
      ]),
    ),
  }
}

/** As rules look at it: of a request with a token it is not known in which of the headers that are looked at it is. */
export const withTokenHeaders = (
  filter: Pick<JwtAuthentication, 'providers'> | undefined,
  request: JudgedRequest,
): JudgedRequest => {
  if (!filter || Object.keys(request.claims ?? {}).length === 0) return request
  const names = Object.values(filter.providers)
    .filter(({ issuer }) => issuer !== nobodysIssuer)
    .flatMap(({ fromHeaders, fromCookies }) => [
      ...fromHeaders.map(({ name }) => name.toLowerCase()),
      ...(fromCookies.length > 0 ? ['cookie'] : []),
    ])
  return { ...request, headers: { ...Object.fromEntries(names.map((name) => [name, undefined])), ...request.headers } }
}

/** Whether something is where a token may be; undefined = it is not known. */
const bringsToken = (providers: readonly JwtProvider[], request: JudgedRequest): boolean | undefined => {
  const found = providers.flatMap(({ fromHeaders, fromParams, fromCookies }) => [
    ...fromHeaders.map(({ name, valuePrefix }) => hasHeader(request, name, valuePrefix)),
    ...fromParams.map((name) => hasParameter(request, name)),
    ...fromCookies.map((name) => hasHeader(request, 'cookie', `${name}=`)),
  ])
  if (found.includes(true)) return true
  return found.includes(undefined) ? undefined : false
}

const hasHeader = (request: JudgedRequest, name: string, part: string): boolean | undefined => {
  const header = readHeader(request, name.toLowerCase())
  return header.known ? header.value?.includes(part) === true : undefined
}

const hasParameter = ({ path }: JudgedRequest, name: string): boolean | undefined => {
  if (path === undefined) return undefined
  const query = path.includes('?') ? path.slice(path.indexOf('?') + 1) : ''
  return query.split('&').some((each) => each === name || each.startsWith(`${name}=`))
}
