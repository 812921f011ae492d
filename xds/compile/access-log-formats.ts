/**
 * What Istio logs when nothing else is asked for (Istio reference: MeshConfig.accessLogFormat): people's pipelines parse it.
 */
const defaultFields: readonly (readonly [name: string, operator: string])[] = [
  ['start_time', '%START_TIME%'],
  ['method', '%REQ(:METHOD)%'],
  ['path', '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%'],
  ['protocol', '%PROTOCOL%'],
  ['response_code', '%RESPONSE_CODE%'],
  ['response_flags', '%RESPONSE_FLAGS%'],
  ['response_code_details', '%RESPONSE_CODE_DETAILS%'],
  ['connection_termination_details', '%CONNECTION_TERMINATION_DETAILS%'],
  ['upstream_transport_failure_reason', '%UPSTREAM_TRANSPORT_FAILURE_REASON%'],
  ['bytes_received', '%BYTES_RECEIVED%'],
  ['bytes_sent', '%BYTES_SENT%'],
  ['duration', '%DURATION%'],
  ['upstream_service_time', '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%'],
  ['x_forwarded_for', '%REQ(X-FORWARDED-FOR)%'],
  ['user_agent', '%REQ(USER-AGENT)%'],
  ['request_id', '%REQ(X-REQUEST-ID)%'],
  ['authority', '%REQ(:AUTHORITY)%'],
  ['upstream_host', '%UPSTREAM_HOST%'],
  ['upstream_cluster', '%UPSTREAM_CLUSTER_RAW%'],
  ['upstream_local_address', '%UPSTREAM_LOCAL_ADDRESS%'],
  ['downstream_local_address', '%DOWNSTREAM_LOCAL_ADDRESS%'],
  ['downstream_remote_address', '%DOWNSTREAM_REMOTE_ADDRESS%'],
  ['requested_server_name', '%REQUESTED_SERVER_NAME%'],
  ['route_name', '%ROUTE_NAME%'],
]

const operators = new Map(defaultFields)
const of = (name: string): string => operators.get(name) ?? '-'
const quoted = (...names: readonly string[]): string => names.map((name) => `"${of(name)}"`).join(' ')
const plain = (...names: readonly string[]): string => names.map(of).join(' ')

/** As fields of a JSON object. */
export const defaultJsonFormat: Readonly<Record<string, string>> = Object.fromEntries(defaultFields)

/** As a line of text. */
export const defaultTextFormat: string = [
  `[${of('start_time')}] "${plain('method', 'path', 'protocol')}"`,
  plain('response_code', 'response_flags', 'response_code_details', 'connection_termination_details'),
  quoted('upstream_transport_failure_reason'),
  plain('bytes_received', 'bytes_sent', 'duration', 'upstream_service_time'),
  quoted('x_forwarded_for', 'user_agent', 'request_id', 'authority', 'upstream_host'),
  plain('upstream_cluster', 'upstream_local_address', 'downstream_local_address', 'downstream_remote_address'),
  `${plain('requested_server_name', 'route_name')}\n`,
].join(' ')
