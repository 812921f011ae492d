import { create, toBinary } from '@bufbuild/protobuf'
import { runInDurableObject } from 'cloudflare:test'
import { env, exports } from 'cloudflare:workers'
import { ExportLogsServiceRequestSchema } from '#envoy/opentelemetry/proto/collector/logs/v1/logs_service_pb.ts'
import { ExportTraceServiceRequestSchema } from '#envoy/opentelemetry/proto/collector/trace/v1/trace_service_pb.ts'
import type { Span_SpanKind, Status_StatusCode } from '#envoy/opentelemetry/proto/trace/v1/trace_pb.ts'
import { compact } from '#worker/telemetry/archive/compaction.ts'
import type { Place } from '#worker/telemetry/place.ts'
import { findStoreRow } from '#worker/telemetry/store-row.ts'
import { gzip } from './gzip.ts'
import { joinTestCluster, TestAgent } from './test-agent.ts'
import { ORIGIN } from './test-plane.ts'
import type { TestMesh } from './test-plane.ts'

type Values = Readonly<Record<string, string | number>>

export interface TestLog {
  readonly timeUs: number
  readonly traceId?: string
  readonly spanId?: string
  readonly attributes?: Values
}

export interface TestSpan extends TestLog {
  readonly parentSpanId?: string
  readonly endUs: number
  readonly name: string
  readonly kind?: Span_SpanKind
  readonly status?: Status_StatusCode
}

const toBytes = (hex: string | undefined): Uint8Array =>
  Uint8Array.from(hex?.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16))

const toAttributes = (values: Values = {}) =>
  Object.entries(values).map(([key, value]) => ({
    key,
    value: {
      value:
        typeof value === 'number'
          ? { case: 'intValue' as const, value: BigInt(value) }
          : { case: 'stringValue' as const, value },
    },
  }))

export const encodeLogs = (records: readonly TestLog[], resource: Values = {}): Uint8Array<ArrayBuffer> =>
  new Uint8Array(
    toBinary(
      ExportLogsServiceRequestSchema,
      create(ExportLogsServiceRequestSchema, {
        resourceLogs: [
          {
            resource: { attributes: toAttributes(resource) },
            scopeLogs: [
              {
                logRecords: records.map(({ timeUs, traceId, spanId, attributes }) => ({
                  timeUnixNano: BigInt(timeUs) * 1000n,
                  traceId: toBytes(traceId),
                  spanId: toBytes(spanId),
                  attributes: toAttributes(attributes),
                })),
              },
            ],
          },
        ],
      }),
    ),
  )

export const encodeSpans = (spans: readonly TestSpan[], resource: Values = {}): Uint8Array<ArrayBuffer> =>
  new Uint8Array(
    toBinary(
      ExportTraceServiceRequestSchema,
      create(ExportTraceServiceRequestSchema, {
        resourceSpans: [
          {
            resource: { attributes: toAttributes(resource) },
            scopeSpans: [
              {
                spans: spans.map(({ timeUs, endUs, traceId, spanId, parentSpanId, attributes, status, ...span }) => ({
                  ...span,
                  traceId: toBytes(traceId),
                  spanId: toBytes(spanId),
                  parentSpanId: toBytes(parentSpanId),
                  startTimeUnixNano: BigInt(timeUs) * 1000n,
                  endTimeUnixNano: BigInt(endUs) * 1000n,
                  status: { code: status ?? 0 },
                  attributes: toAttributes(attributes),
                })),
              },
            ],
          },
        ],
      }),
    ),
  )

/** One export request, as it is unless something else is said. */
export const sendExport = async (
  signal: string,
  token: string,
  body: BodyInit,
  headers: Record<string, string> = {},
): Promise<{
  readonly status: number
  readonly headers: Headers
  readonly bytes: Uint8Array
  readonly text: string
}> => {
  const response = await exports.default.fetch(`${ORIGIN}/v1/otlp/v1/${signal}`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/x-protobuf', ...headers },
    body,
  })
  const bytes = new Uint8Array(await response.arrayBuffer())
  return { status: response.status, headers: response.headers, bytes, text: new TextDecoder().decode(bytes) }
}

export const sendLogs = async (token: string, records: readonly TestLog[]): Promise<void> => {
  const { status, text } = await sendExport('logs', token, await gzip(encodeLogs(records)), {
    'Content-Encoding': 'gzip',
  })
  if (status !== 200) throw new Error(`${status}: ${text}`)
}

/** A cluster of a mesh, and the token that its agent gets for telemetry. */
export const joinTelemetryCluster = async (mesh: TestMesh, name: string) => {
  const cluster = await joinTestCluster(mesh, name, 'net-a')
  const agent = await TestAgent.connect(cluster)
  const { token, expiresAt } = await agent.next('telemetry-token')
  const stub = env.TELEMETRY_STORE.get(env.TELEMETRY_STORE.idFromName(`${mesh.id}/${name}`))
  return {
    cluster,
    agent,
    token,
    expiresAt,
    stub,
    count: (table: string): Promise<number> =>
      runInDurableObject(
        stub,
        (_, { storage }) => storage.sql.exec<{ rows: number }>(`SELECT count(*) AS rows FROM ${table}`).one().rows,
      ),
    listArchive: async (): Promise<string[]> => {
      const { objects } = await env.TELEMETRY.list()
      return objects.map(({ key }) => key).filter((key) => key.includes(`/${mesh.id}/${name}/`))
    },
  }
}

export type TelemetryCluster = Awaited<ReturnType<typeof joinTelemetryCluster>>

/** Archives as the alarm does, with a bucket that fails where it is told to. */
export const archive = (
  { stub }: TelemetryCluster,
  { nowMs = Date.now() + 60 * 60 * 1000, bucket = env.TELEMETRY, crash = false } = {},
) =>
  runInDurableObject(stub, async (_, { storage }) => {
    const { sql } = storage
    let commits = 0
    const transaction = <T>(body: () => T): T => {
      commits += 1
      // The first one notes what is to be done; the second one that it is.
      if (crash && commits > 1) throw new Error('crash')
      return storage.transactionSync(body)
    }
    const place = findStoreRow(sql)?.place as Place
    await compact({ sql, transaction, archive: bucket, place }, nowMs)
  })
