import type { CustomTag } from '#mesh/config/schema/custom-tag.ts'
import { toMilliseconds } from '#mesh/config/schema/duration.ts'
import type { ExtensionProvider } from '#mesh/config/schema/extension-providers.ts'
import type { TracingOfSide } from '#mesh/telemetry/telemetry-for-proxy.ts'
import type { SpanSender } from '#xds/model/span-sender.ts'
import type { SpanTag, TraceCollector, Tracing } from '#xds/model/tracing.ts'
import type { Upstream } from '#xds/model/upstream.ts'
import type { FindServer } from './compile-access-logs.ts'
import { noCollectorUpstream } from './resource-names.ts'

interface Teller {
  /** Absent = the proxy has nobody to tell. */
  readonly sender: SpanSender | undefined
  readonly findServer: FindServer
}

/** Istio reference: Telemetry, Tracing. Nobody is told where the provider is no service of the mesh. */
export const compileTracing = (side: TracingOfSide, { sender, findServer }: Teller): Tracing => {
  const collector = side.provider && sender && compileCollector(side.provider, sender, findServer)
  const istioTags = side.hasIstioTags ? Object.entries(sender?.tags ?? {}) : []
  return {
    sampledPercent: side.samplingPercentage,
    ...(collector && { collector }),
    tags: collector
      ? [
          ...istioTags.map(([name, value]): SpanTag => ({ name, kind: 'literal', value })),
          ...Object.entries(side.customTags).flatMap(([name, tag]) => compileTag(name, tag)),
        ].toSorted((left, right) => (left.name < right.name ? -1 : 1))
      : [],
    ...(side.maxPathTagLength !== undefined && { maxPathLength: side.maxPathTagLength }),
    usesRequestId: side.usesRequestIdForSampling,
    propagates: side.propagates,
  }
}

const compileTag = (name: string, { literal, environment, header, formatter }: CustomTag): SpanTag[] => {
  if (literal) return [{ name, kind: 'literal', value: literal.value }]
  if (formatter) return [{ name, kind: 'format', format: formatter.value }]
  const read = environment ?? header
  if (!read) return []
  const { defaultValue } = read
  const kind = environment ? 'environment' : 'header'
  return [{ name, kind, from: read.name, ...(defaultValue !== undefined && { defaultValue }) }]
}

/** Zipkin's own default, in Istio. */
const zipkinTimeoutMs = 5000

const compileCollector = (
  { zipkin, datadog, skywalking, opentelemetry }: ExtensionProvider,
  sender: SpanSender,
  findServer: FindServer,
): TraceCollector | undefined => {
  const provider = zipkin ?? datadog ?? skywalking ?? opentelemetry
  const server = provider && findServer(provider)
  if (!server) return undefined
  const { upstream, authority } = server
  const told = { upstream, authority, service: sender.service, tellsCalls: sender.isGateway }
  if (zipkin)
    return {
      kind: 'zipkin',
      upstream,
      authority,
      path: zipkin.path ?? '/api/v2/spans',
      hasShortIds: zipkin.enable64bitTraceId,
      speaksW3c: zipkin.traceContextOption === 'USE_B3_WITH_W3C_PROPAGATION',
      timeoutMs: zipkin.timeout === undefined ? zipkinTimeoutMs : toMilliseconds(zipkin.timeout),
      headers: zipkin.headers,
      tellsCalls: sender.isGateway,
    }
  if (datadog) return { kind: 'datadog', ...told }
  if (skywalking) {
    const token = skywalking.accessToken
    return {
      kind: 'skywalking',
      upstream,
      authority,
      service: sender.service,
      ...(token !== undefined && { token }),
    }
  }
  if (!opentelemetry) return undefined
  const isSemantic = opentelemetry.serviceAttributeEnrichment === 'OTEL_SEMANTIC_CONVENTIONS'
  const service = isSemantic ? sender.semanticService : sender.service
  return compileOpenTelemetry(opentelemetry, { ...told, service }, findServer)
}

type OpenTelemetry = NonNullable<ExtensionProvider['opentelemetry']>
type Told = Pick<
  Extract<TraceCollector, { readonly kind: 'opentelemetry' }>,
  'upstream' | 'authority' | 'service' | 'tellsCalls'
>

const compileOpenTelemetry = (provider: OpenTelemetry, told: Told, findServer: FindServer): TraceCollector => {
  const { http, grpc, resourceDetectors, serviceAttributeEnrichment } = provider
  const timeout = (http ?? grpc)?.timeout
  const sampler = compileDynatraceSampler(provider, told, findServer)
  return {
    kind: 'opentelemetry',
    ...told,
    protocol: http ? 'http' : 'grpc',
    path: toPath(http?.path),
    ...(timeout !== undefined && { timeoutMs: toMilliseconds(timeout) }),
    headers: http?.headers ?? grpc?.initialMetadata ?? [],
    resourceDetectors: [
      // As in Istio: what the environment says goes before the conventions' own.
      ...(resourceDetectors?.environment || serviceAttributeEnrichment === 'OTEL_SEMANTIC_CONVENTIONS'
        ? ['environment' as const]
        : []),
      ...(resourceDetectors?.dynatrace ? ['dynatrace' as const] : []),
    ],
    ...(sampler && { sampler }),
  }
}

const toPath = (path = '/'): string => (path.startsWith('/') ? path : `/${path}`)

const dynatraceTimeoutMs = 10_000

/** Without a server of its own it asks the collector's, with the same headers. */
const compileDynatraceSampler = ({ dynatraceSampler, http }: OpenTelemetry, told: Told, findServer: FindServer) => {
  if (!dynatraceSampler) return undefined
  const { tenant, clusterId, rootSpansPerMinute, httpService } = dynatraceSampler
  const server = httpService ? findServer(httpService) : told
  if (!server) return undefined
  const asked = httpService?.http ?? http
  const path = httpService ? toPath(httpService.http.path) : '/api/v2/samplingConfiguration'
  return {
    tenant,
    clusterId,
    rootSpansPerMinute,
    upstream: server.upstream,
    url: `http://${server.authority}${path}`,
    timeoutMs: asked?.timeout === undefined ? dynatraceTimeoutMs : toMilliseconds(asked.timeout),
    headers: asked?.headers ?? [],
  }
}

/** Where spans go that nobody is to have: it has no endpoints. */
export const noCollector: Upstream = {
  name: noCollectorUpstream,
  discovery: { kind: 'static', assignment: { upstream: noCollectorUpstream, localities: [] } },
  protocol: 'http1',
  tls: { mode: 'none' },
  policy: { loadBalancer: { kind: 'round-robin' }, connectTimeoutMs: 10_000, limits: {} },
  trustEpoch: 0,
}
