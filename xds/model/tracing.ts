/** How a proxy goes on with the traces of requests, and who is told of its spans. */
export interface Tracing {
  /** Of the traces that begin at the proxy, how many are marked to be kept. Others are as their callers decided. */
  readonly sampledPercent: number
  /** Absent: nobody is told. The mesh makes spans of access log records. */
  readonly collector?: TraceCollector
  readonly tags: readonly SpanTag[]
  /** Of what a span says of its request's path; absent = Envoy's default. */
  readonly maxPathLength?: number
  /** Whether `x-request-id` carries the decision to where the trace's own headers do not come; without it all traces that begin here are kept. */
  readonly usesRequestId: boolean
  /** Whether a request is sent on with its trace. */
  readonly propagates: boolean
}

export type TraceCollector = { readonly upstream: string; readonly authority: string } & (
  | {
      readonly kind: 'zipkin'
      readonly path: string
      readonly hasShortIds: boolean
      /** Whether W3C's headers are read and sent beside B3's. */
      readonly speaksW3c: boolean
      readonly timeoutMs: number
      readonly headers: readonly CollectorHeader[]
      /** Whether what the proxy calls has a span of its own. */
      readonly tellsCalls: boolean
    }
  | {
      readonly kind: 'opentelemetry'
      readonly service: string
      readonly protocol: 'grpc' | 'http'
      /** Of HTTP. */
      readonly path: string
      /** Absent, with gRPC: without end. */
      readonly timeoutMs?: number
      readonly headers: readonly CollectorHeader[]
      readonly resourceDetectors: readonly ('environment' | 'dynatrace')[]
      readonly sampler?: DynatraceSampler
      readonly tellsCalls: boolean
    }
  | { readonly kind: 'datadog'; readonly service: string; readonly tellsCalls: boolean }
  | { readonly kind: 'skywalking'; readonly service: string; readonly token?: string }
)

/** It asks a server of Dynatrace's which traces are to be kept. */
export interface DynatraceSampler {
  readonly tenant: string
  readonly clusterId: number
  readonly rootSpansPerMinute: number
  readonly upstream: string
  readonly url: string
  readonly timeoutMs: number
  readonly headers: readonly CollectorHeader[]
}

export interface CollectorHeader {
  readonly name: string
  readonly value: string
}

/** What a span says beside Envoy's own tags. A header or a variable that there is not has the default, or says nothing. */
export type SpanTag = { readonly name: string } & (
  | { readonly kind: 'literal'; readonly value: string }
  | { readonly kind: 'environment' | 'header'; readonly from: string; readonly defaultValue?: string }
  /** Envoy's command operators. */
  | { readonly kind: 'format'; readonly format: string }
)
