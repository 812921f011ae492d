import { type MessageInitShape } from '@bufbuild/protobuf'
import {
  ZipkinConfig_CollectorEndpointVersion as CollectorEndpointVersion,
  ZipkinConfig_TraceContextOption as TraceContextOption,
  ZipkinConfigSchema,
} from '#envoy/envoy/config/trace/v3/zipkin_pb.ts'
import type { HttpConnectionManagerSchema } from '#envoy/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts'
import { UuidRequestIdConfigSchema } from '#envoy/envoy/extensions/request_id/uuid/v3/uuid_pb.ts'
import type { CustomTagSchema } from '#envoy/envoy/type/tracing/v3/custom_tag_pb.ts'
import type { TraceTexts } from '#mesh/telemetry/trace-context.ts'
import { noCollectorUpstream } from '#xds/compile/resource-names.ts'
import type { SpanTag, TraceCollector, Tracing } from '#xds/model/tracing.ts'
import { toAny } from './any.ts'
import { buildTraceCollector } from './build-trace-collector.ts'
import type { MessageFields } from './message-fields.ts'
import { toServiceOperator } from './metadata.ts'
import { receivedOperators } from './received-request.ts'

/**
 * Envoy: HttpConnectionManager.Tracing. Where nobody is told of spans, W3C's and B3's headers are read and sent on all the same
 * (docs/decisions/0022).
 */
export const buildTracing = (tracing: Tracing | undefined): MessageFields<typeof HttpConnectionManagerSchema> => {
  if (!tracing) return {}
  const { collector, maxPathLength, propagates, sampledPercent, tags } = tracing
  const { name, config } = collector ? buildTraceCollector(collector, sampledPercent) : headersAlone
  // The sampler of an OpenTelemetry tracer decides alone.
  const isSampledByTracer = collector?.kind === 'opentelemetry'
  return {
    tracing: {
      clientSampling: { value: 100 },
      randomSampling: { value: isSampledByTracer ? 100 : sampledPercent },
      overallSampling: { value: 100 },
      provider: { name: `envoy.tracers.${name}`, configType: { case: 'typedConfig', value: config } },
      customTags: tags.map(buildTag),
      ...(collector && { operation: spanName }),
      ...(collector && tellsCalls(collector) && { spawnUpstreamSpan: true }),
      ...(maxPathLength !== undefined && { maxPathTagLength: maxPathLength }),
      ...(!propagates && { noContextPropagation: true }),
    },
    ...((isSampledByTracer || !tracing.usesRequestId) && { requestIdExtension: undecidedRequestIds }),
  }
}

/** As in Istio, but for the namespace: "<namespace>/<host>:<port>/*" of what is called. */
const spanName = `${toServiceOperator('service')}:${toServiceOperator('port')}/*`

/** SkyWalking's tracer has to know of each call. */
const tellsCalls = (collector: TraceCollector): boolean => collector.kind === 'skywalking' || collector.tellsCalls

const undecidedRequestIds = {
  typedConfig: toAny(UuidRequestIdConfigSchema, { packTraceReason: false, useRequestIdForTraceSampling: false }),
}

const buildTag = (tag: SpanTag): MessageInitShape<typeof CustomTagSchema> => ({
  tag: tag.name,
  type: buildTagType(tag),
})

const buildTagType = (tag: SpanTag): NonNullable<MessageInitShape<typeof CustomTagSchema>['type']> => {
  switch (tag.kind) {
    case 'literal':
      return { case: 'literal', value: { value: tag.value } }
    case 'environment':
      return { case: 'environment', value: { name: tag.from, defaultValue: tag.defaultValue ?? '' } }
    case 'header':
      return { case: 'requestHeader', value: { name: tag.from, defaultValue: tag.defaultValue ?? '' } }
    case 'format':
      return { case: 'value', value: tag.format }
  }
}

const headersAlone = {
  name: 'zipkin',
  config: toAny(ZipkinConfigSchema, {
    collectorCluster: noCollectorUpstream,
    collectorEndpoint: '/',
    collectorEndpointVersion: CollectorEndpointVersion.HTTP_PROTO,
    traceId128bit: true,
    sharedSpanContext: false,
    traceContextOption: TraceContextOption.USE_B3_WITH_W3C_PROPAGATION,
  }),
}

/** Envoy's operators for what `mesh/telemetry/trace-context.ts` reads. */
export const traceOperators = {
  traceId: '%TRACE_ID%',
  sent: '%REQ(TRACEPARENT):55%',
  received: receivedOperators.trace,
} as const satisfies Record<keyof TraceTexts, string>
