import { closestName } from './closest-name.ts'
import type { Expression } from './cel-depth.ts'

/** What is inside a `map`, or a message of protobuf, is not known; what is inside `headers` is a text. */
export type AttributeType = 'bool' | 'number' | 'text' | 'timestamp' | 'duration' | 'headers' | 'map'

const toTypes = (type: AttributeType, names: string): Readonly<Record<string, AttributeType>> =>
  Object.fromEntries(names.split(' ').map((name) => [name, type]))

const ofTls = toTypes(
  'text',
  'tls_version subject_local_certificate subject_peer_certificate dns_san_local_certificate dns_san_peer_certificate uri_san_local_certificate uri_san_peer_certificate sha256_peer_certificate_digest peer_certificate',
)
const peer = { address: 'text', port: 'number' } as const

/** Those of Envoy 1.40, by their roots. A root without a table has any fields. */
const attributes: Readonly<Record<string, Readonly<Record<string, AttributeType>> | undefined>> = {
  request: {
    ...toTypes('text', 'path url_path host scheme method referer useragent id protocol query'),
    ...toTypes('number', 'headers_bytes size total_size'),
    headers: 'headers',
    time: 'timestamp',
    duration: 'duration',
  },
  response: {
    ...toTypes('number', 'code flags grpc_status headers_bytes size total_size'),
    ...toTypes('headers', 'headers trailers'),
    code_details: 'text',
    backend_latency: 'duration',
  },
  connection: {
    ...ofTls,
    ...toTypes('text', 'requested_server_name transport_failure_reason termination_details'),
    id: 'number',
    mtls: 'bool',
  },
  source: peer,
  destination: peer,
  upstream: {
    ...ofTls,
    ...peer,
    ...toTypes('text', 'local_address transport_failure_reason'),
    ...toTypes('number', 'num_endpoints request_attempt_count'),
    cx_pool_ready_duration: 'duration',
    locality: 'map',
  },
  xds: {
    ...toTypes('text', 'cluster_name route_name virtual_host_name filter_chain_name'),
    ...toTypes(
      'map',
      'node cluster_metadata listener_metadata route_metadata virtual_host_metadata upstream_host_metadata upstream_host_locality_metadata',
    ),
    listener_direction: 'number',
  },
  metadata: undefined,
  filter_state: undefined,
  upstream_filter_state: undefined,
}
const roots: readonly string[] = Object.keys(attributes)
const names: readonly string[] = Object.entries(attributes).flatMap(([root, fields = {}]) =>
  Object.keys(fields).map((field) => `${root}.${field}`),
)

/** Names of CEL's own types, which are values too. Those of messages begin with "google". */
const typeNames: ReadonlySet<string> = new Set(
  'bool bytes double int list map null_type string type uint google'.split(' '),
)

interface Path {
  readonly root: string
  readonly field?: string
}

/** The name that an expression is: `request`, `request.path`, `request["path"]`. */
const toPath = ({ exprKind: { case: kind, value } }: Expression): Path | undefined => {
  if (kind === 'identExpr') return { root: value.name }
  const [of, field] =
    kind === 'selectExpr'
      ? [value.operand, value.field]
      : kind === 'callExpr' && value.function === '_[_]'
        ? [value.args[0], toText(value.args[1])]
        : []
  if (of?.exprKind.case !== 'identExpr' || field === undefined) return undefined
  return { root: of.exprKind.value.name, field }
}

const toText = (key: Expression | undefined): string | undefined =>
  key?.exprKind.case === 'constExpr' && key.exprKind.value.constantKind.case === 'stringValue'
    ? key.exprKind.value.constantKind.value
    : undefined

/** The attribute that an expression is; a root is a map. */
export const toAttribute = (
  expression: Expression,
): { readonly name: string; readonly type: AttributeType } | undefined => {
  const path = toPath(expression)
  if (!path || !Object.hasOwn(attributes, path.root)) return undefined
  const { root, field } = path
  if (field === undefined) return { name: root, type: 'map' }
  const fields = attributes[root]
  const type = fields && Object.hasOwn(fields, field) ? fields[field] : undefined
  return type && { name: `${root}.${field}`, type }
}

/** Of the name that an expression is, not of those in it. */
export const unknownNameFault = (expression: Expression): string | undefined => {
  const path = toPath(expression)
  if (!path || typeNames.has(path.root)) return undefined
  const { root, field } = path
  // Of an unknown root with a field its root tells.
  if (!Object.hasOwn(attributes, root))
    return field === undefined ? toFault(root, closestName(root, [...roots, ...names])) : undefined
  const fields = attributes[root]
  if (!fields || field === undefined || Object.hasOwn(fields, field)) return undefined
  const meant = closestName(field, Object.keys(fields))
  return toFault(`${root}.${field}`, meant && `${root}.${meant}`)
}

const toFault = (name: string, meant: string | undefined): string =>
  `asks for ${name}, which is no attribute of Envoy${meant === undefined ? '' : `: did you mean "${meant}"?`}`
