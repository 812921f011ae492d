import type { Any } from '@bufbuild/protobuf/wkt'
import { HeaderValueOption_HeaderAppendAction as AppendAction } from '#envoy/envoy/config/core/v3/base_pb.ts'
import { DatadogConfigSchema } from '#envoy/envoy/config/trace/v3/datadog_pb.ts'
import { OpenTelemetryConfigSchema } from '#envoy/envoy/config/trace/v3/opentelemetry_pb.ts'
import { SkyWalkingConfigSchema } from '#envoy/envoy/config/trace/v3/skywalking_pb.ts'
import {
  ZipkinConfig_CollectorEndpointVersion as CollectorEndpointVersion,
  ZipkinConfig_TraceContextOption as TraceContextOption,
  ZipkinConfigSchema,
} from '#envoy/envoy/config/trace/v3/zipkin_pb.ts'
import { DynatraceResourceDetectorConfigSchema } from '#envoy/envoy/extensions/tracers/opentelemetry/resource_detectors/v3/dynatrace_resource_detector_pb.ts'
import { EnvironmentResourceDetectorConfigSchema } from '#envoy/envoy/extensions/tracers/opentelemetry/resource_detectors/v3/environment_resource_detector_pb.ts'
import { DynatraceSamplerConfigSchema } from '#envoy/envoy/extensions/tracers/opentelemetry/samplers/v3/dynatrace_sampler_pb.ts'
import { ParentBasedSamplerConfigSchema } from '#envoy/envoy/extensions/tracers/opentelemetry/samplers/v3/parent_based_sampler_pb.ts'
import { TraceIdRatioBasedSamplerConfigSchema } from '#envoy/envoy/extensions/tracers/opentelemetry/samplers/v3/trace_id_ratio_based_sampler_pb.ts'
import type { CollectorHeader, DynatraceSampler, TraceCollector } from '#xds/model/tracing.ts'
import { toAny } from './any.ts'
import { toDuration } from './duration.ts'
import { toFractionalPercent } from './fractional-percent.ts'

type Of<Kind extends TraceCollector['kind']> = Extract<TraceCollector, { readonly kind: Kind }>

/** A tracer that tells the collector; spans of both sides of a call are two. `sampledPercent`: see Tracing. */
export const buildTraceCollector = (
  collector: TraceCollector,
  sampledPercent: number,
): { name: string; config: Any } => {
  switch (collector.kind) {
    case 'zipkin':
      return { name: 'zipkin', config: buildZipkin(collector) }
    case 'opentelemetry':
      return { name: 'opentelemetry', config: buildOpenTelemetry(collector, sampledPercent) }
    case 'datadog':
      return {
        name: 'datadog',
        config: toAny(DatadogConfigSchema, {
          collectorCluster: collector.upstream,
          collectorHostname: collector.authority,
          serviceName: collector.service,
        }),
      }
    case 'skywalking':
      return { name: 'skywalking', config: buildSkyWalking(collector) }
  }
}

const buildZipkin = ({ upstream, authority, path, hasShortIds, speaksW3c, timeoutMs, headers }: Of<'zipkin'>): Any =>
  toAny(ZipkinConfigSchema, {
    collectorService: toHttpService({ upstream, url: `http://${authority}${path}`, timeoutMs, headers }),
    collectorEndpointVersion: CollectorEndpointVersion.HTTP_JSON,
    traceId128bit: !hasShortIds,
    sharedSpanContext: false,
    ...(speaksW3c && { traceContextOption: TraceContextOption.USE_B3_WITH_W3C_PROPAGATION }),
  })

/**
 * Its own dice are what the tracer goes by, and its caller's decision before them: without a sampler Envoy's dice would take that away
 * (docs/decisions/0022).
 */
const buildOpenTelemetry = (collector: Of<'opentelemetry'>, sampledPercent: number): Any =>
  toAny(OpenTelemetryConfigSchema, {
    serviceName: collector.service,
    ...(collector.protocol === 'http'
      ? { httpService: toHttpService({ ...collector, ...toHttpTarget(collector) }) }
      : { grpcService: toGrpcService(collector) }),
    resourceDetectors: collector.resourceDetectors.map((each) => resourceDetectors[each]),
    sampler: collector.sampler ? buildDynatraceSampler(collector.sampler) : buildSampler(sampledPercent),
  })

/** OTLP's own default (OpenTelemetry: OTEL_EXPORTER_OTLP_TIMEOUT). */
const otlpTimeoutMs = 10_000

const toHttpTarget = ({ authority, path, timeoutMs = otlpTimeoutMs }: Of<'opentelemetry'>) => ({
  url: `http://${authority}${path}`,
  timeoutMs,
})

const toGrpcService = ({ upstream, authority, timeoutMs, headers }: Of<'opentelemetry'>) => ({
  targetSpecifier: { case: 'envoyGrpc' as const, value: { clusterName: upstream, authority } },
  ...(timeoutMs !== undefined && { timeout: toDuration(timeoutMs) }),
  initialMetadata: headers.map(({ name, value }) => ({ key: name, value })),
})

const resourceDetectors = {
  environment: {
    name: 'envoy.tracers.opentelemetry.resource_detectors.environment',
    typedConfig: toAny(EnvironmentResourceDetectorConfigSchema, {}),
  },
  dynatrace: {
    name: 'envoy.tracers.opentelemetry.resource_detectors.dynatrace',
    typedConfig: toAny(DynatraceResourceDetectorConfigSchema, {}),
  },
}

const buildSampler = (percent: number) => ({
  name: 'envoy.tracers.opentelemetry.samplers.parent_based',
  typedConfig: toAny(ParentBasedSamplerConfigSchema, {
    wrappedSampler: {
      name: 'envoy.tracers.opentelemetry.samplers.trace_id_ratio_based',
      typedConfig: toAny(TraceIdRatioBasedSamplerConfigSchema, {
        samplingPercentage: toFractionalPercent(Math.round(percent * 10_000)),
      }),
    },
  }),
})

const buildDynatraceSampler = ({ tenant, clusterId, rootSpansPerMinute, ...server }: DynatraceSampler) => ({
  name: 'envoy.tracers.opentelemetry.samplers.dynatrace',
  typedConfig: toAny(DynatraceSamplerConfigSchema, {
    tenant,
    clusterId,
    rootSpansPerMinute,
    httpService: toHttpService(server),
  }),
})

const buildSkyWalking = ({ upstream, authority, service, token }: Of<'skywalking'>): Any =>
  toAny(SkyWalkingConfigSchema, {
    grpcService: { targetSpecifier: { case: 'envoyGrpc', value: { clusterName: upstream, authority } } },
    clientConfig: {
      serviceName: service,
      ...(token !== undefined && { backendTokenSpecifier: { case: 'backendToken', value: token } }),
    },
  })

interface HttpServer {
  readonly upstream: string
  readonly url: string
  readonly timeoutMs: number
  readonly headers: readonly CollectorHeader[]
}

const toHttpService = ({ upstream, url, timeoutMs, headers }: HttpServer) => ({
  httpUri: {
    uri: url,
    httpUpstreamType: { case: 'cluster' as const, value: upstream },
    timeout: toDuration(timeoutMs),
  },
  requestHeadersToAdd: headers.map(({ name, value }) => ({
    // Envoy takes it for a format, with command operators.
    header: { key: name, value: value.replaceAll('%', '%%') },
    appendAction: AppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
  })),
})
