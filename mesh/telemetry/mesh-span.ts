/** Fields of an access log record, as they are shown: its time is a text. */
export type ShownFields = Readonly<Record<string, unknown>>

export interface MeshSpan {
  readonly of: 'record'
  readonly time: string
  readonly duration_us?: number
  readonly trace_id?: string
  readonly span_id: string
  readonly parent_span_id?: string
  readonly name: string
  readonly kind: 'server' | 'client'
  readonly status: 'error' | 'unset'
  readonly status_message?: string
  readonly service?: string
  readonly cluster?: string
  readonly namespace?: string
  readonly workload?: string
  readonly proxy?: string
  readonly attributes: Record<string, unknown>
}

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

/** What of a record is an attribute of its span: OpenTelemetry's semantic conventions where they have a name, else the field's. */
const attributeNames: Readonly<Record<string, string>> = {
  method: 'http.request.method',
  path: 'url.path',
  authority: 'server.address',
  response_code: 'http.response.status_code',
  grpc_response_status: 'rpc.grpc.status_code',
  user_agent: 'user_agent.original',
}
const ownFields = [
  'time',
  'duration_us',
  'trace_id',
  'span_id',
  'parent_span_id',
  'service',
  'cluster',
  'proxy',
  'attributes',
]

/** Whether a request of HTTP or gRPC has failed. */
export const isFailure = ({ response_code: code, grpc_response_status: grpc }: ShownFields): boolean =>
  (typeof code === 'number' && (code >= 500 || code === 0)) || (typeof grpc === 'number' && grpc > 0)

/**
 * The span that a proxy's access log record is (docs/decisions/0022): of a client where the proxy is the source, of a server where it is the destination. A request
 * that a proxy answered before it had told anybody a span's ID gets `spareSpanId`.
 */
export const toMeshSpan = (record: ShownFields, spareSpanId: () => string): MeshSpan => {
  const side = record.reporter === 'destination' ? 'destination' : 'source'
  const own = (field: string) => text(record[`${side}_${field}`])
  const service = own('canonical_service') ?? text(record.service)
  const cluster = text(record.cluster)
  const namespace = own('workload_namespace')
  const workload = own('workload')
  const proxy = text(record.proxy)
  const trace = text(record.trace_id)
  const parent = text(record.parent_span_id)
  const details = text(record.response_details)
  const failed = isFailure(record)
  const target = text(record.destination_service) ?? text(record.authority) ?? text(record.upstream_host) ?? 'unknown'
  return {
    of: 'record',
    time: text(record.time) ?? '',
    ...(typeof record.duration_us === 'number' && { duration_us: record.duration_us }),
    ...(trace !== undefined && { trace_id: trace }),
    span_id: text(record.span_id) ?? spareSpanId(),
    ...(parent !== undefined && { parent_span_id: parent }),
    name: [text(record.method), target].filter((part) => part !== undefined).join(' '),
    kind: side === 'destination' ? 'server' : 'client',
    status: failed ? 'error' : 'unset',
    ...(failed && details !== undefined && { status_message: details }),
    ...(service !== undefined && { service }),
    ...(cluster !== undefined && { cluster }),
    ...(namespace !== undefined && { namespace }),
    ...(workload !== undefined && { workload }),
    ...(proxy !== undefined && { proxy }),
    attributes: Object.fromEntries(
      Object.entries(record)
        .filter(([name, value]) => !ownFields.includes(name) && value !== undefined && value !== '')
        .map(([name, value]) => [attributeNames[name] ?? name, value]),
    ),
  }
}
