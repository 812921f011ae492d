import type { AccessRecordTexts } from './access-record.ts'
import { toServiceLabels } from './called-service.ts'
import { toSides, type Party } from './party.ts'
import { unknownFact } from './peer-facts.ts'
import type { AccessLogRecord } from './record-fields.ts'
import { parseTraceContext } from './trace-context.ts'

/** Who tells records: what the agent knows of a proxy by its token. */
export interface RecordTeller {
  readonly own: Party
  readonly cluster: string
  /** "<role>/<namespace>/<workload>" */
  readonly proxy: string
}

/** Fields of a record; undefined = not known. */
export type KnownFields = { readonly [Name in keyof AccessLogRecord]?: string | number | undefined }

/** What many records of a proxy have in common: the two sides of the call. */
export const toPartyFields = (
  told: Pick<AccessRecordTexts, 'reporter' | 'peerSubject' | 'peerUriNames' | 'peerDnsNames'>,
  { own, cluster, proxy }: RecordTeller,
): KnownFields => {
  const isSource = told.reporter === 'source'
  const peer = { subject: told.peerSubject, uriNames: told.peerUriNames, dnsNames: told.peerDnsNames }
  const { labels, securityPolicy } = toSides(peer, own, isSource)
  return {
    cluster,
    proxy,
    reporter: isSource ? 'source' : 'destination',
    ...Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== unknownFact)),
    connection_security_policy: securityPolicy,
  }
}

/** What a record has to itself, but when it was and which revision its proxy had. */
export const toRequestFields = (texts: AccessRecordTexts): KnownFields => {
  const isHttp = texts.protocol === 'http'
  const trace = parseTraceContext({ traceId: texts.traceId, sent: texts.traceSent, received: texts.traceReceived })
  const service = toServiceLabels(texts.service || texts.hostService)
  const details = texts.details || texts.terminationDetails
  const isCalled = texts.upstreamHost !== ''
  return {
    duration_us: toInteger(texts.durationUs) ?? toMicroseconds(toInteger(texts.durationMs)),
    trace_id: trace?.traceId,
    span_id: trace?.spanId,
    parent_span_id: trace?.parentSpanId,
    sampled: trace?.isSampled === undefined ? undefined : Number(trace.isSampled),
    request_id: toText(texts.requestId),
    source_address: toText(texts.remoteAddress),
    destination_service: toFact(service.destination_service),
    destination_service_name: toFact(service.destination_service_name),
    destination_service_namespace: toFact(service.destination_service_namespace),
    destination_port: toInteger(texts.service === '' ? texts.hostServicePort : texts.servicePort),
    request_protocol: isHttp ? (grpcContent.test(texts.contentType) ? 'grpc' : 'http') : 'tcp',
    response_code: isHttp ? toInteger(texts.code) : undefined,
    grpc_response_status: toInteger(texts.grpcStatus),
    response_flags: texts.flags,
    response_details: toText(details),
    method: toText(texts.method),
    authority: toText(texts.authority),
    path: toText(texts.path),
    http_version: isHttp ? toText(texts.httpVersion) : undefined,
    user_agent: toText(texts.userAgent),
    forwarded_for: toText(texts.forwardedFor),
    server_name: toText(texts.serverName),
    route: toText(texts.route),
    subset: toText(texts.subset),
    upstream_host: toText(texts.upstreamHost),
    gateway_hops: isCalled ? (toInteger(texts.gatewayHops) ?? 0) : undefined,
    attempts: toInteger(texts.attempts),
    transport_failure: toText(texts.upstreamFailure || texts.downstreamFailure),
    policy_verdict: toVerdict(details),
    policy_trial: toTrial(texts),
    policy_audit: toText(texts.auditRule),
    request_bytes: toInteger(texts.receivedBytes),
    response_bytes: toInteger(texts.sentBytes),
  }
}

/** As metrics have it, and Envoy and Istio: gRPC-Web is HTTP (PROTOCOL-HTTP2: Content-Type). */
const grpcContent = /^application\/grpc(?:\+|$)/

const toText = (text: string): string | undefined => (text === '' ? undefined : text)

const toFact = (fact: string): string | undefined => (fact === unknownFact ? undefined : fact)

const toInteger = (text: string): number | undefined => {
  if (text === '') return undefined
  const value = Number(text)
  return Number.isSafeInteger(value) && value >= 0 ? value : undefined
}

const toMicroseconds = (milliseconds: number | undefined): number | undefined =>
  milliseconds === undefined ? undefined : milliseconds * 1000

/** What Envoy's RBAC filters say of whom they turn away; they say nothing of whom they let in. */
const denial = /^rbac_access_denied_matched_policy\[(.*)\]$/
/** What its filters of external authorization do: the provider said no, or could not be asked. */
const delegated: Readonly<Record<string, string>> = {
  ext_authz_denied: 'denied:provider',
  ext_authz_error: 'denied:provider-failed',
}

/** What its filters of clients do: API keys, and users with passwords. */
const clientDenial = /^\w+(?:_api_key|_for_basic_auth)$/

const toVerdict = (details: string): string | undefined => {
  if (clientDenial.test(details)) return 'denied:client'
  if (Object.hasOwn(delegated, details)) return delegated[details]
  const [, policy] = denial.exec(details) ?? []
  return policy === undefined ? undefined : `denied:${policy}`
}

/** What policies of dry runs would have done. Only what Envoy calls a denial of ALLOW is one: it is asked by who is not denied. */
const toTrial = ({ trialDenyRule, trialAllowResult }: AccessRecordTexts): string | undefined => {
  if (trialDenyRule !== '') return `denied:${trialDenyRule}`
  return trialAllowResult === 'denied' ? 'denied:none' : undefined
}
