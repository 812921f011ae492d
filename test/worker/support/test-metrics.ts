import { create, toBinary } from '@bufbuild/protobuf'
import { runInDurableObject } from 'cloudflare:test'
import { env, exports } from 'cloudflare:workers'
import { ExportMetricsServiceRequestSchema } from '#envoy/opentelemetry/proto/collector/metrics/v1/metrics_service_pb.ts'
import { AggregationTemporality } from '#envoy/opentelemetry/proto/metrics/v1/metrics_pb.ts'
import { decodeBlock } from '#worker/telemetry/rollups/block-codec.ts'
import type { RollupQuery } from '#worker/telemetry/rollups/read-rollups.ts'
import { nextRollUpMs, rollUp } from '#worker/telemetry/rollups/roll-up.ts'
import type { RollupContext } from '#worker/telemetry/rollups/rollup-rows.ts'
import { COARSE_MS } from '#worker/telemetry/rollups/slots.ts'
import { joinTestCluster } from './test-agent.ts'
import { ORIGIN, setUpPlane } from './test-plane.ts'
import type { TestMesh } from './test-plane.ts'

export type Labels = Readonly<Record<string, string>>

/** What was counted until a time: a sum, or observations in buckets. */
export interface Counted {
  readonly name: string
  readonly labels: Labels
  readonly untilMs: number
  readonly value?: number
  readonly histogram?: { readonly bounds: readonly number[]; readonly counts: readonly number[]; readonly sum: number }
}

const toAttributes = (labels: Labels) =>
  Object.entries(labels).map(([key, value]) => ({
    key,
    value: { value: { case: 'stringValue' as const, value } },
  }))

const toMetric = ({ name, labels, untilMs, value, histogram }: Counted) => {
  const aggregationTemporality = AggregationTemporality.DELTA
  const common = { attributes: toAttributes(labels), timeUnixNano: BigInt(untilMs) * 1_000_000n }
  if (!histogram) {
    const point = { ...common, value: { case: 'asInt' as const, value: BigInt(value ?? 0) } }
    return {
      name,
      data: { case: 'sum' as const, value: { isMonotonic: true, aggregationTemporality, dataPoints: [point] } },
    }
  }
  const { bounds, counts, sum } = histogram
  const point = { ...common, explicitBounds: [...bounds], bucketCounts: counts.map(BigInt), sum }
  return { name, data: { case: 'histogram' as const, value: { aggregationTemporality, dataPoints: [point] } } }
}

export const encodeMetrics = (mesh: string, cluster: string, counted: readonly Counted[]): Uint8Array<ArrayBuffer> =>
  new Uint8Array(
    toBinary(
      ExportMetricsServiceRequestSchema,
      create(ExportMetricsServiceRequestSchema, {
        resourceMetrics: [
          {
            resource: { attributes: toAttributes({ 'atoll.mesh': mesh, 'k8s.cluster.name': cluster }) },
            scopeMetrics: [{ metrics: counted.map(toMetric) }],
          },
        ],
      }),
    ),
  )

export const postMetrics = async (body: BodyInit, type = 'application/x-protobuf') => {
  const response = await exports.default.fetch(`${ORIGIN}/v1/otlp/v1/metrics`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${await setUpPlane()}`, 'Content-Type': type },
    body,
  })
  return { status: response.status, text: new TextDecoder().decode(await response.arrayBuffer()) }
}

/** A cluster of a mesh whose metrics are sent, rolled up and read as of any time. */
export const joinMetricsCluster = async (mesh: TestMesh, name: string) => {
  await joinTestCluster(mesh, name, 'net-a')
  const stub = env.TELEMETRY_STORE.get(env.TELEMETRY_STORE.idFromName(`${mesh.id}/${name}`))
  const inObject = <Result>(nowMs: number, body: (context: RollupContext) => Promise<Result> | Result) =>
    runInDurableObject(stub, (_, { storage }) =>
      body({
        sql: storage.sql,
        transaction: (inner) => storage.transactionSync(inner),
        now: () => nowMs,
      }),
    )
  return {
    stub,
    inObject,
    send: (counted: readonly Counted[]) => postMetrics(encodeMetrics(mesh.name, name, counted)),
    /** Does all that is due at this time. */
    rollUpAt: (nowMs: number) =>
      inObject(nowMs, async (context) => {
        for (;;) {
          await rollUp(context)
          const next = nextRollUpMs(context)
          if (next === undefined || next > nowMs) return next
        }
      }),
    count: (table: string) =>
      inObject(0, ({ sql }) => sql.exec<{ rows: number }>(`SELECT count(*) AS rows FROM ${table}`).one().rows),
    /** Each series' points, by the end of their slots. */
    read: async (query: Partial<RollupQuery>) => {
      const answer = await stub.readRollups(name, {
        matchers: [],
        fromMs: 0,
        toMs: Date.now(),
        stepMs: COARSE_MS,
        ...query,
      })
      if (answer.kind !== 'block') throw new Error(answer.kind)
      const { series, folded } = await decodeBlock(answer.block)
      return {
        stepMs: answer.stepMs,
        folded,
        series: [...series.values()].map((each) => ({
          name: each.name,
          labels: each.labels.join(' '),
          points: [...each.points].map(([slot, point]) => [slot * answer.stepMs, ...point]),
        })),
      }
    },
  }
}
