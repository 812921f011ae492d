import { create, toBinary } from '@bufbuild/protobuf'
import { ExportTraceServiceRequestSchema } from '#envoy/opentelemetry/proto/collector/trace/v1/trace_service_pb.ts'
import { type KeyValue, KeyValueSchema } from '#envoy/opentelemetry/proto/common/v1/common_pb.ts'
import { Span_SpanKind, SpanSchema, Status_StatusCode } from '#envoy/opentelemetry/proto/trace/v1/trace_pb.ts'
import type { MeshSpan } from '#mesh/telemetry/mesh-span.ts'

export interface TimedSpan {
  /** When it began: nanoseconds since the epoch. */
  readonly time: bigint
  readonly span: MeshSpan
}

/**
 * Spans as OTLP has them (opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest), by who tells them: resources have the names of OpenTelemetry's
 * semantic conventions.
 */
export const encodeSpans = (cluster: string, spans: readonly TimedSpan[]): Uint8Array => {
  const byTeller = Map.groupBy(spans, ({ span }) => span.proxy)
  return toBinary(
    ExportTraceServiceRequestSchema,
    create(ExportTraceServiceRequestSchema, {
      resourceSpans: [...byTeller.values()].map((told) => ({
        resource: { attributes: toResource(cluster, told[0]?.span) },
        scopeSpans: [{ scope: { name: 'atoll.mesh' }, spans: told.map(toSpan) }],
      })),
    }),
  )
}

const toResource = (cluster: string, span: MeshSpan | undefined): KeyValue[] =>
  Object.entries({
    'service.name': span?.service ?? span?.workload ?? 'unknown',
    'service.namespace': span?.namespace,
    'k8s.cluster.name': cluster,
    'k8s.namespace.name': span?.namespace,
    'atoll.workload': span?.workload,
    'atoll.proxy': span?.proxy,
  }).flatMap(toAttribute)

const toSpan = ({ time, span }: TimedSpan) =>
  create(SpanSchema, {
    traceId: Buffer.from(span.trace_id ?? '', 'hex'),
    spanId: Buffer.from(span.span_id, 'hex'),
    parentSpanId: Buffer.from(span.parent_span_id ?? '', 'hex'),
    name: span.name,
    kind: span.kind === 'server' ? Span_SpanKind.SERVER : Span_SpanKind.CLIENT,
    startTimeUnixNano: time,
    endTimeUnixNano: time + BigInt(span.duration_us ?? 0) * 1000n,
    attributes: Object.entries(span.attributes).flatMap(toAttribute),
    status: {
      code: span.status === 'error' ? Status_StatusCode.ERROR : Status_StatusCode.UNSET,
      message: span.status_message ?? '',
    },
  })

const toAttribute = ([key, value]: readonly [string, unknown]): KeyValue[] => {
  if (typeof value === 'string')
    return [create(KeyValueSchema, { key, value: { value: { case: 'stringValue', value } } })]
  if (typeof value !== 'number') return []
  return [create(KeyValueSchema, { key, value: { value: { case: 'intValue', value: BigInt(value) } } })]
}
