import { closestName } from './closest-name.ts'

/**
 * Envoy's command operators, as access logs and header values have them (Envoy: "Access logging", command operators; those of 1.40).
 * A proxy refuses a whole listener or route configuration for one that it does not know.
 */
interface Operator {
  /** What its argument looks like; absent = it takes none. */
  readonly argument?: RegExp
  /** It may be left out. */
  readonly optional?: true
  /** It takes the most characters that are written: %REQ(name):20%. */
  readonly length?: true
}

const withoutArgument = `
  ACCESS_LOG_TYPE BYTES_RECEIVED BYTES_RETRANSMITTED BYTES_SENT CONNECTION_ID CONNECTION_TERMINATION_DETAILS
  CUSTOM_FLAGS DOWNSTREAM_CX_RTT DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED
  DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT DOWNSTREAM_DETECTED_CLOSE_TYPE DOWNSTREAM_DIRECT_LOCAL_ADDRESS
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID DOWNSTREAM_DIRECT_LOCAL_PORT DOWNSTREAM_DIRECT_REMOTE_ADDRESS
  DOWNSTREAM_DIRECT_REMOTE_PORT DOWNSTREAM_HANDSHAKE_DURATION DOWNSTREAM_HEADER_BYTES_RECEIVED
  DOWNSTREAM_HEADER_BYTES_SENT DOWNSTREAM_LOCAL_ADDRESS DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID
  DOWNSTREAM_LOCAL_CLOSE_REASON DOWNSTREAM_LOCAL_DNS_SAN DOWNSTREAM_LOCAL_EMAIL_SAN DOWNSTREAM_LOCAL_IP_SAN
  DOWNSTREAM_LOCAL_OTHERNAME_SAN DOWNSTREAM_LOCAL_PORT DOWNSTREAM_LOCAL_SUBJECT DOWNSTREAM_LOCAL_URI_SAN
  DOWNSTREAM_PEER_CERT DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1 DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256
  DOWNSTREAM_PEER_CHAIN_SERIALS DOWNSTREAM_PEER_DNS_SAN DOWNSTREAM_PEER_EMAIL_SAN DOWNSTREAM_PEER_FINGERPRINT_1
  DOWNSTREAM_PEER_FINGERPRINT_256 DOWNSTREAM_PEER_IP_SAN DOWNSTREAM_PEER_ISSUER
  DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256 DOWNSTREAM_PEER_ISSUER_SERIAL DOWNSTREAM_PEER_OTHERNAME_SAN
  DOWNSTREAM_PEER_SERIAL DOWNSTREAM_PEER_SUBJECT DOWNSTREAM_PEER_URI_SAN DOWNSTREAM_REMOTE_ADDRESS
  DOWNSTREAM_REMOTE_PORT DOWNSTREAM_TLS_CIPHER DOWNSTREAM_TLS_GROUP DOWNSTREAM_TLS_SESSION_ID
  DOWNSTREAM_TLS_VERSION DOWNSTREAM_TRANSPORT_FAILURE_REASON DOWNSTREAM_WIRE_BYTES_RECEIVED
  DOWNSTREAM_WIRE_BYTES_SENT DURATION FILTER_CHAIN_NAME GRPC_STATUS_NUMBER HOSTNAME LISTENER_NAME LOCAL_REPLY_BODY
  PROTOCOL REQUESTED_SERVER_NAME REQUEST_DURATION REQUEST_HEADERS_BYTES REQUEST_TX_DURATION RESPONSE_CODE
  RESPONSE_DURATION RESPONSE_FLAGS RESPONSE_FLAGS_LONG RESPONSE_HEADERS_BYTES RESPONSE_TRAILERS_BYTES
  RESPONSE_TX_DURATION ROUNDTRIP_DURATION ROUTE_NAME ROUTE_RESOLUTION_COUNT ROUTE_RESOLUTION_TIME_US SPAN_ID
  STREAM_ID TRACE_ID UNIQUE_ID UPSTREAM_CLUSTER UPSTREAM_CLUSTER_RAW UPSTREAM_CONNECTION_ID
  UPSTREAM_CONNECTION_IDS_ATTEMPTED UPSTREAM_CONNECTION_POOL_READY_DURATION
  UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT UPSTREAM_DETECTED_CLOSE_TYPE
  UPSTREAM_HEADER_BYTES_RECEIVED UPSTREAM_HEADER_BYTES_SENT UPSTREAM_HOST UPSTREAM_HOSTS_ATTEMPTED
  UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT UPSTREAM_HOST_NAME UPSTREAM_HOST_NAMES_ATTEMPTED
  UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT UPSTREAM_HOST_NAME_WITHOUT_PORT UPSTREAM_LOCAL_ADDRESS
  UPSTREAM_LOCAL_CLOSE_REASON UPSTREAM_LOCAL_DNS_SAN UPSTREAM_LOCAL_IP_SAN UPSTREAM_LOCAL_PORT
  UPSTREAM_LOCAL_URI_SAN UPSTREAM_PEER_CERT UPSTREAM_PEER_DNS_SAN UPSTREAM_PEER_IP_SAN UPSTREAM_PEER_ISSUER
  UPSTREAM_PEER_SUBJECT UPSTREAM_PEER_URI_SAN UPSTREAM_PROTOCOL UPSTREAM_REMOTE_ADDRESS
  UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID UPSTREAM_REMOTE_PORT UPSTREAM_REQUEST_ATTEMPT_COUNT UPSTREAM_SERVER_NAME
  UPSTREAM_TLS_CIPHER UPSTREAM_TLS_GROUP UPSTREAM_TLS_SESSION_ID UPSTREAM_TLS_VERSION
  UPSTREAM_TRANSPORT_FAILURE_REASON UPSTREAM_WIRE_BYTES_RECEIVED UPSTREAM_WIRE_BYTES_SENT VIRTUAL_CLUSTER_NAME
`

const header = /^:?[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:\?:?[!#$%&'*+.^_`|~0-9A-Za-z-]*)?$/
const anything = /^[^\n]+$/
const ofHeader: Operator = { argument: header, length: true }
const ofTime: Operator = { argument: /^[^\n]*$/, optional: true }
const ofState: Operator = { argument: /^[^:\n]+(?::(?:PLAIN|TYPED|FIELD:[^:\n]+))?$/, length: true }
const ofMetadata: Operator = { argument: anything, length: true }
const maskable: Operator = { argument: /^MASK_PREFIX_LEN=\d{1,3}$/, optional: true }

const operators: Readonly<Record<string, Operator>> = {
  ...Object.fromEntries(
    withoutArgument
      .trim()
      .split(/\s+/)
      .map((name) => [name, {}]),
  ),
  REQ: ofHeader,
  RESP: ofHeader,
  TRAILER: ofHeader,
  REQUEST_HEADER: ofHeader,
  RESPONSE_HEADER: ofHeader,
  RESPONSE_TRAILER: ofHeader,
  QUERY_PARAM: { argument: anything, length: true },
  QUERY_PARAMS: { argument: /^(?:ORIG|DECODED)$/, optional: true, length: true },
  PATH: { argument: /^(?:WQ|NQ)(?::(?:ORIG|PATH|ORIG_OR_PATH))?$/, optional: true, length: true },
  ENVIRONMENT: { argument: anything, length: true },
  FILTER_STATE: ofState,
  UPSTREAM_FILTER_STATE: ofState,
  DYNAMIC_METADATA: ofMetadata,
  CLUSTER_METADATA: { argument: anything },
  UPSTREAM_METADATA: { argument: anything },
  METADATA: {
    argument: /^(?:DYNAMIC|CLUSTER|ROUTE|UPSTREAM_HOST|LISTENER|LISTENER_FILTER_CHAIN|VIRTUAL_HOST)(?::[^\n]*)?$/,
    length: true,
  },
  GRPC_STATUS: { argument: /^(?:CAMEL_STRING|SNAKE_STRING|NUMBER)$/, optional: true },
  RESPONSE_CODE_DETAILS: { argument: /^ALLOW_WHITESPACES$/, optional: true },
  COMMON_DURATION: { argument: /^[^:\n]+:[^:\n]+(?::(?:ms|us|ns))?$/ },
  START_TIME: ofTime,
  START_TIME_LOCAL: ofTime,
  EMIT_TIME: ofTime,
  EMIT_TIME_LOCAL: ofTime,
  DOWNSTREAM_PEER_CERT_V_START: ofTime,
  DOWNSTREAM_PEER_CERT_V_END: ofTime,
  UPSTREAM_PEER_CERT_V_START: ofTime,
  UPSTREAM_PEER_CERT_V_END: ofTime,
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: maskable,
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT: maskable,
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: maskable,
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: maskable,
  UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: maskable,
  UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: maskable,
}

/** The names of Envoy's own. */
export const commandOperators: readonly string[] = Object.keys(operators)

/** Those that a formatter adds, which access logs alone have. */
const ofFormatters: Readonly<Record<string, Operator>> = { REQ_WITHOUT_QUERY: ofHeader }

/** Arguments that only Envoy can judge. */
const unchecked: readonly string[] = ['CEL', 'COALESCE']

/** An argument ends at the first ")" that a "%" follows; none is so long. */
const command = /%%|%([A-Z0-9_]+)(?:\(([^]{0,1024}?)\))?(:\d+)?%/g

/** What Envoy takes on any machine. */
const maxDigits = 9

/** Why Envoy would refuse a text for its command operators; undefined when it takes it. Tags of spans have those of headers. */
export const commandOperatorFault = (text: string, place: 'access log' | 'header'): string | undefined => {
  const known = place === 'access log' ? { ...operators, ...ofFormatters } : operators
  for (const [whole, name, argument, length] of text.matchAll(command)) {
    const fault = name === undefined ? undefined : operatorFault(known, name, argument ?? '', length)
    if (fault !== undefined) return `has ${whole}: ${fault}`
  }
  return text.replaceAll(command, '').includes('%')
    ? 'has a "%" that is neither "%%" nor a command operator such as %PROTOCOL% or %REQ(name)%'
    : undefined
}

const operatorFault = (
  known: Readonly<Record<string, Operator>>,
  name: string,
  given: string,
  length: string | undefined,
): string | undefined => {
  if (unchecked.includes(name)) return `${name} is not taken, for only a proxy can tell whether its argument is right`
  const operator = Object.hasOwn(known, name) ? known[name] : undefined
  if (!operator && Object.hasOwn(ofFormatters, name))
    return 'access logs alone have it: %PATH(NQ)% is the path without its query'
  if (!operator) {
    const meant = closestName(name, Object.keys(known))
    return `Envoy has no such command operator${meant === undefined ? '' : `: did you mean "${meant}"?`}`
  }
  const { argument, optional, length: takesLength } = operator
  if (length !== undefined && !takesLength) return 'it takes no length'
  if (length !== undefined && length.length > 1 + maxDigits) return `its length has more than ${maxDigits} digits`
  if (given === '') return argument && !optional ? 'it needs an argument' : undefined
  if (!argument) return 'it takes no argument'
  return argument.test(given) ? undefined : `"${given}" is not an argument that it has`
}
