import { clusterName, type TrustDomain } from '#mesh/names.ts'
import { parseSpiffeId, toWorkloadDnsName } from '#mesh/identity.ts'
import type { AccessLogRecord } from '#mesh/telemetry/record-fields.ts'
import type { Handler } from '#xds/explain/find-handler.ts'
import type { JudgedCall } from '#xds/judge/judged-call.ts'
import { normalisePath } from '#xds/judge/normalise-path.ts'
import type { Entrance } from './find-entrances.ts'
import { toHost, toPort } from './recorded-address.ts'

/** As long as texts of requests are in records: one that is so long may have been longer. */
const cut = 256
const longestPath = 2048

/** What a record of access tells of a call. */
export type RecordedCall = {
  readonly [
    Name in
      | 'source_address'
      | 'source_principal'
      | 'source_cluster'
      | 'connection_security_policy'
      | 'upstream_host'
      | 'request_protocol'
      | 'response_details'
      | 'forwarded_for'
      | 'server_name'
      | 'method'
      | 'authority'
      | 'path'
      | 'user_agent'
      | 'policy_verdict'
      | 'revision'
  ]?: AccessLogRecord[Name] | undefined
}

/** A call as the record of the called proxy tells it: of headers and tokens it has next to nothing, and they are not known. */
export const readRecord = (
  record: RecordedCall,
  { trustDomain, role }: { readonly trustDomain: TrustDomain; readonly role: string },
  { handler, port, asksCertificate }: Entrance,
): JudgedCall => {
  const connectedFrom = toHost(record.source_address)
  const { forwarded_for: forwardedFor, connection_security_policy: security } = record
  const isPlaintext = role === 'sidecar' && security === 'none'
  return {
    // Records of gateways tell who was called, and not who called.
    peer: role === 'sidecar' ? toPeer(record, trustDomain) : asksCertificate ? undefined : 'nobody',
    connectedFrom,
    clientAddress: toClientAddress(handler, forwardedFor, connectedFrom),
    address: undefined,
    port: port ?? toPort(record.upstream_host),
    serverName: record.server_name ?? (isPlaintext && handler.kind === 'http' ? '' : undefined),
    ...(handler.kind === 'http' && {
      request: {
        method: record.method,
        authority: toWhole(record.authority, cut),
        path: toPath(record.path, handler),
        headers: {
          ...(record.user_agent !== undefined && { 'user-agent': toWhole(record.user_agent, cut) }),
          ...(forwardedFor !== undefined && { 'x-forwarded-for': toWhole(forwardedFor, cut) }),
        },
        hasAllHeaders: false,
        claims: undefined,
      },
    }),
  }
}

const toWhole = (text: string | undefined, longest: number): string | undefined =>
  text === undefined || text.length >= longest ? undefined : text

const toPath = (
  path: string | undefined,
  { paths }: Extract<Handler, { readonly kind: 'http' }>,
): string | undefined => {
  const whole = toWhole(path, longestPath)
  return whole === undefined ? undefined : normalisePath(whole, paths)
}

/** The proxy itself has added where a request came from, if it believes nobody else. */
const toClientAddress = (
  handler: Handler,
  forwardedFor: string | undefined,
  connectedFrom: string | undefined,
): string | undefined => {
  if (handler.kind !== 'http') return connectedFrom
  if (handler.trustedHops > 0) return undefined
  if (!handler.believesForwarded || forwardedFor === undefined) return connectedFrom
  return toWhole(forwardedFor, cut)?.split(',').at(-1)?.trim()
}

const toPeer = (
  { source_principal: spiffeId, source_cluster: cluster, connection_security_policy: security }: RecordedCall,
  trustDomain: TrustDomain,
): JudgedCall['peer'] => {
  if (spiffeId === undefined) return security === 'none' ? 'nobody' : undefined
  const identity = parseSpiffeId(spiffeId)
  const named = clusterName.safeParse(cluster).data
  return { spiffeId, dnsName: identity && named && toWorkloadDnsName(identity, named, trustDomain) }
}

/** What became of a call, as its record says. */
export type Told =
  | { readonly kind: 'passed' }
  /** By a rule; undefined: no ALLOW rule matched. */
  | { readonly kind: 'denied'; readonly rule: string | undefined }
  /** By what looks at tokens, at keys and passwords, or by an extension provider. */
  | { readonly kind: 'token' | 'client' | 'provider' }
  /** It got no further, and not for a policy. */
  | { readonly kind: 'not-told' }

export const readTold = ({
  policy_verdict: verdict,
  response_details: details,
  upstream_host: host,
}: RecordedCall): Told => {
  if (verdict === 'denied:provider' || verdict === 'denied:provider-failed') return { kind: 'provider' }
  if (verdict === `denied:${unknownClient}` || ofClients.test(details ?? '')) return { kind: 'client' }
  if (verdict !== undefined) {
    const rule = verdict.slice('denied:'.length)
    return { kind: 'denied', rule: rule === 'none' ? undefined : rule }
  }
  if (details?.startsWith(ofTokens)) return { kind: 'token' }
  return host === undefined ? { kind: 'not-told' } : { kind: 'passed' }
}

/** What Envoy's filters say of those whom they refuse (RESPONSE_CODE_DETAILS). */
const ofTokens = 'jwt_authn_access_denied'
const ofClients = /(?:_api_key|_basic_auth|^client_not_allowed)$/
/** The rule of the filter that is there while nobody's keys are known. */
const unknownClient = 'client-not-known'
