/** How a field's values are: `timestamp` is microseconds since 1970, `integer` is exact up to 2^53, `map` holds texts by name. */
export type FieldType = 'timestamp' | 'integer' | 'text' | 'map'

export interface FieldDefinition {
  readonly type: FieldType
  /** For people, and for the reference. */
  readonly about: string
}

type Value<Type extends FieldType> = Type extends 'text'
  ? string
  : Type extends 'map'
    ? Readonly<Record<string, string>>
    : number

/** A record with these fields. One that is absent is not known, or means nothing here. */
export type RecordOf<Fields extends Readonly<Record<string, FieldDefinition>>> = {
  readonly [Name in keyof Fields]?: Value<Fields[Name]['type']>
}

const timestamp = (about: string) => ({ type: 'timestamp', about }) as const
const integer = (about: string) => ({ type: 'integer', about }) as const
const text = (about: string) => ({ type: 'text', about }) as const
const map = (about: string) => ({ type: 'map', about }) as const

/**
 * What is kept of one request, or of one connection of TCP, as one proxy saw it: attributes of an OTLP log record, columns of the archive, fields
 * of the API and the CLI. What Istio's standard metrics have a label for has that label's name and values (Istio reference: Istio standard metrics).
 */
export const accessLogFields = {
  time: timestamp('When the request, or the connection, began.'),
  duration_us: integer('Until its end, in microseconds.'),
  trace_id: text('W3C trace ID: 32 hexadecimal digits.'),
  span_id: text("Of this proxy's span: 16 hexadecimal digits."),
  parent_span_id: text('Of the span that called, as the request told it.'),
  sampled: integer('1: its trace is one of those that were chosen to be kept when it began. 0: it is not.'),
  request_id: text('The x-request-id.'),

  cluster: text('The cluster of the proxy that tells this.'),
  proxy: text('The proxy: "<role>/<namespace>/<workload>".'),
  reporter: text('`source` or `destination`: the side of the call that the proxy is on. Gateways are a source.'),
  revision: integer("The mesh's revision that the proxy had."),

  source_cluster: text('The cluster that calls, from its certificate.'),
  source_workload: text('The workload that calls.'),
  source_workload_namespace: text('Its namespace.'),
  source_principal: text('Its SPIFFE ID, if it showed one.'),
  source_canonical_service: text('Its canonical service.'),
  source_canonical_revision: text('Its canonical revision.'),
  source_app: text('Its label `app`.'),
  source_version: text('Its label `version`.'),
  source_address: text('The address and port that the proxy was called from.'),

  destination_cluster: text('The cluster that is called, from its certificate.'),
  destination_workload: text('The workload that is called.'),
  destination_workload_namespace: text('Its namespace.'),
  destination_principal: text('Its SPIFFE ID, if it showed one.'),
  destination_canonical_service: text('Its canonical service.'),
  destination_canonical_revision: text('Its canonical revision.'),
  destination_app: text('Its label `app`.'),
  destination_version: text('Its label `version`.'),
  destination_service: text("The called service's host name."),
  destination_service_name: text('Its short name.'),
  destination_service_namespace: text('Its namespace.'),
  destination_port: integer("The called service's port."),

  request_protocol: text('`http`, `grpc` or `tcp`.'),
  connection_security_policy: text('`mutual_tls`, `none` or `unknown`, as the destination saw it.'),
  response_code: integer("HTTP's status. 0: there was no answer."),
  grpc_response_status: integer("gRPC's status."),
  response_flags: text("Envoy's short response flags, with commas between; empty: none."),
  response_details: text("Envoy's RESPONSE_CODE_DETAILS, or why a connection ended."),
  method: text('Of the request.'),
  authority: text('Its Host.'),
  path: text('Its path, with its query.'),
  http_version: text('`HTTP/1.1`, `HTTP/2` …'),
  user_agent: text('Its User-Agent.'),
  forwarded_for: text('Its X-Forwarded-For.'),
  server_name: text('The SNI of the connection.'),

  route: text('The route that was taken, by its name.'),
  subset: text('The subset of the service that was called.'),
  upstream_host: text('The address and port that was called.'),
  gateway_hops: integer('East-west gateways between this proxy and what it called.'),
  attempts: integer('Upstream requests that were made of it: 1 = no retry.'),
  transport_failure: text('Why no connection came about.'),
  policy_verdict: text(
    '`denied:` and the policy that turned it away, `provider` where an extension provider did, `provider-failed` where it could not be asked, `client` for want of a right key or password; absent where none did.',
  ),
  policy_trial: text(
    '`denied:` and the policy of a dry run that would have turned it away, or `denied:none`; absent where none would.',
  ),
  policy_audit: text('The rule of an AUDIT policy that it matched.'),

  request_bytes: integer('Bytes of the body, or of the connection, that were received.'),
  response_bytes: integer('Bytes of the body, or of the connection, that were sent.'),

  service: text('Of records of other senders: the service.name of the sender.'),
  severity: text('Of records of other senders: `INFO` …'),
  body: text('Of records of other senders: what they say.'),
  attributes: map('Custom tags, and what other senders say beside this.'),
} as const satisfies Readonly<Record<string, FieldDefinition>>
export type AccessLogRecord = RecordOf<typeof accessLogFields>

/** What is kept of one span of a trace, of whoever sent it. */
export const spanFields = {
  time: timestamp('When it began.'),
  duration_us: integer('Until its end, in microseconds.'),
  trace_id: accessLogFields.trace_id,
  span_id: text('16 hexadecimal digits.'),
  parent_span_id: text('Of the span that caused it; absent: it is the root.'),
  name: text('What was done.'),
  kind: text('`server`, `client`, `producer`, `consumer` or `internal`.'),
  status: text('`unset`, `ok` or `error`.'),
  status_message: text('What its sender says of its status.'),
  service: text('The service.name of its sender.'),
  cluster: text('The cluster of its sender.'),
  namespace: text("Its sender's namespace."),
  workload: text("Its sender's workload."),
  proxy: text('The proxy that sent it, if one did: "<role>/<namespace>/<workload>".'),
  attributes: map('What its sender says beside this, the resource included.'),
  events: text('Its events, and its links, as JSON of OTLP.'),
} as const satisfies Readonly<Record<string, FieldDefinition>>
export type SpanRecord = RecordOf<typeof spanFields>
