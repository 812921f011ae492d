import { createServer, type Server as HttpServer } from 'node:http'
import { fromBinary } from '@bufbuild/protobuf'
import { Server } from '@grpc/grpc-js'
import { z } from 'zod'
import {
  type ExportTraceServiceRequest,
  ExportTraceServiceRequestSchema,
} from '#envoy/opentelemetry/proto/collector/trace/v1/trace_service_pb.ts'
import type { KeyValue } from '#envoy/opentelemetry/proto/common/v1/common_pb.ts'
import { Span_SpanKind as SpanKind } from '#envoy/opentelemetry/proto/trace/v1/trace_pb.ts'

export interface ToldSpan {
  readonly traceId: string
  readonly spanId: string
  /** "" = the trace begins with it. */
  readonly parentSpanId: string
  readonly name: string
  readonly kind: 'client' | 'server' | 'other'
  /** Who tells it. */
  readonly service: string
  readonly tags: Readonly<Record<string, string>>
}

/** Backends of traces that proxies tell their spans, and what each was told. */
export class TraceCollectors {
  readonly otlp: ToldSpan[] = []
  readonly otlpOverHttp: ToldSpan[] = []
  readonly zipkin: ToldSpan[] = []
  /** Headers of the last request. */
  readonly headers: Record<'otlpOverHttp' | 'zipkin', Readonly<Record<string, unknown>>> = {
    otlpOverHttp: {},
    zipkin: {},
  }

  createOtlpServer(): Server {
    const server = new Server()
    server.addService(
      {
        export: {
          path: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
          requestStream: false,
          responseStream: false,
          requestSerialize: () => Buffer.alloc(0),
          requestDeserialize: (bytes: Buffer) => fromBinary(ExportTraceServiceRequestSchema, bytes),
          responseSerialize: () => Buffer.alloc(0),
          responseDeserialize: () => ({}),
        },
      },
      {
        export: (call: { request: ExportTraceServiceRequest }, answer: (error: null, value: object) => void) => {
          this.otlp.push(...toSpans(call.request))
          answer(null, {})
        },
      },
    )
    return server
  }

  createHttpServer(): HttpServer {
    return createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const body = Buffer.concat(chunks)
        if (request.url === '/api/v2/spans') {
          this.headers.zipkin = request.headers
          this.zipkin.push(...zipkinSpans.parse(JSON.parse(body.toString())))
        } else if (request.url === '/v1/traces') {
          this.headers.otlpOverHttp = request.headers
          this.otlpOverHttp.push(...toSpans(fromBinary(ExportTraceServiceRequestSchema, body)))
        }
        response.end()
      })
    })
  }
}

const toSpans = ({ resourceSpans }: ExportTraceServiceRequest): ToldSpan[] =>
  resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = toTags(resource?.attributes ?? [])['service.name'] ?? ''
    return scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        traceId: toHex(span.traceId),
        spanId: toHex(span.spanId),
        parentSpanId: toHex(span.parentSpanId),
        name: span.name,
        kind: kinds[span.kind] ?? 'other',
        service,
        tags: toTags(span.attributes),
      })),
    )
  })

const kinds: Readonly<Partial<Record<SpanKind, ToldSpan['kind']>>> = {
  [SpanKind.CLIENT]: 'client',
  [SpanKind.SERVER]: 'server',
}

const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

const toTags = (attributes: readonly KeyValue[]): Readonly<Record<string, string>> =>
  Object.fromEntries(
    attributes.map(({ key, value }) => [key, value?.value.case === 'stringValue' ? value.value.value : '']),
  )

const zipkinSpans = z.array(
  z
    .object({
      traceId: z.string(),
      id: z.string(),
      parentId: z.string().default(''),
      name: z.string(),
      kind: z.enum(['CLIENT', 'SERVER']).optional(),
      localEndpoint: z.object({ serviceName: z.string() }),
      tags: z.record(z.string(), z.string()).default({}),
    })
    .transform(({ traceId, id, parentId, name, kind, localEndpoint, tags }): ToldSpan => ({
      traceId,
      spanId: id,
      parentSpanId: parentId,
      name,
      kind: kind === 'CLIENT' ? 'client' : kind === 'SERVER' ? 'server' : 'other',
      service: localEndpoint.serviceName,
      tags,
    })),
)
