/**
 * Istio's standard metrics (Istio reference: Istio standard metrics), by their names without "istio_", and how a proxy comes to them: `counter`
 * counts up, `histogram` tells how values spread.
 */
export const standardMetrics = {
  requests_total: { kind: 'counter', of: 'http' },
  request_duration_milliseconds: { kind: 'histogram', of: 'http' },
  request_bytes: { kind: 'histogram', of: 'http' },
  response_bytes: { kind: 'histogram', of: 'http' },
  request_messages_total: { kind: 'counter', of: 'grpc' },
  response_messages_total: { kind: 'counter', of: 'grpc' },
  tcp_connections_opened_total: { kind: 'counter', of: 'tcp' },
  tcp_connections_closed_total: { kind: 'counter', of: 'tcp' },
  tcp_sent_bytes_total: { kind: 'counter', of: 'tcp' },
  tcp_received_bytes_total: { kind: 'counter', of: 'tcp' },
} as const satisfies Readonly<Record<string, { readonly kind: 'counter' | 'histogram'; readonly of: Traffic }>>

/** `http` is gRPC's too, `grpc` its alone. */
export type Traffic = 'http' | 'grpc' | 'tcp'
export type StandardMetric = keyof typeof standardMetrics

/** What the name of a standard metric begins with where it is shown. */
export const metricPrefix = 'istio_'

/** The labels of the standard metrics. Of TCP there are no `response_code` and no `grpc_response_status`. */
export const standardLabels = [
  'reporter',
  'source_workload',
  'source_workload_namespace',
  'source_principal',
  'source_app',
  'source_version',
  'source_cluster',
  'source_canonical_service',
  'source_canonical_revision',
  'destination_workload',
  'destination_workload_namespace',
  'destination_principal',
  'destination_app',
  'destination_version',
  'destination_cluster',
  'destination_canonical_service',
  'destination_canonical_revision',
  'destination_service',
  'destination_service_name',
  'destination_service_namespace',
  'request_protocol',
  'response_code',
  'grpc_response_status',
  'response_flags',
  'connection_security_policy',
] as const
export type StandardLabel = (typeof standardLabels)[number]
