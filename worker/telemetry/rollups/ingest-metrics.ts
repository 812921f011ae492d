import { AtollError } from '#api/atoll-error.ts'
import type { ExportRequest, Ingest } from '../ingest/ingest.ts'
import { storeBatch } from '../ingest/store-batch.ts'
import { openTelemetryStore } from '../telemetry-store.ts'
import type { Leave } from '../telemetry-store.ts'
import { addMetric, createCounted, reject } from './add-metric.ts'
import type { Counted, Rejections } from './add-metric.ts'
import type { Block } from './block.ts'
import { encodeBlock } from './block-codec.ts'
import type { OtlpResource } from './otlp-metrics.ts'
import { readJsonMetrics } from './read-json-metrics.ts'
import { readProtobufMetrics } from './read-protobuf-metrics.ts'
import { MAX_BODY_BYTES } from './shards.ts'
import { FINE_MS } from './slots.ts'

interface Load {
  readonly leave: Leave
  readonly counted: Counted
}

const newestSlot = (block: Block): number => {
  let newest = 0
  for (const { points } of block.series.values()) for (const slot of points.keys()) newest = Math.max(newest, slot)
  return newest
}

const store = async (env: Cloudflare.Env, { sha256 }: ExportRequest, { leave, counted: { block } }: Load) => {
  if (block.series.size === 0) return
  const body = await encodeBlock(block)
  if (body.length > MAX_BODY_BYTES) throw new AtollError('too_large', 'the batch has too many series: send it in parts')
  const untilMs = newestSlot(block) * FINE_MS
  const batch = { sha256, untilMs, bytes: block.bytes, body }
  await storeBatch(() => openTelemetryStore(env, leave.place).takeMetrics(leave, batch))
}

const read = ({ body, encoding }: ExportRequest): OtlpResource[] =>
  encoding === 'protobuf' ? readProtobufMetrics(body) : readJsonMetrics(body)

/** What a request counted, as one batch for each place that it is of. */
export const ingestMetrics: Ingest = async (env, request) => {
  const { sender, nowMs } = request
  const rejections: Rejections = new Map()
  const places = new Map<string, Load>()
  for (const { attributes, metrics } of read(request)) {
    const resource = new Map(attributes)
    const leave = await sender({ mesh: resource.get('atoll.mesh'), cluster: resource.get('k8s.cluster.name') })
    if ('refusal' in leave) {
      for (const { points } of metrics) reject(rejections, leave.refusal, points.length)
      continue
    }
    const key = JSON.stringify(leave.place)
    const place = places.get(key) ?? { leave, counted: createCounted() }
    places.set(key, place)
    for (const metric of metrics) addMetric(place.counted, metric, nowMs, rejections)
  }
  if (places.size === 0 && rejections.size > 0) throw new AtollError('not_found', [...rejections.keys()].join('; '))
  for (const place of places.values()) await store(env, request, place)
  return {
    rejected: [...rejections.values()].reduce((sum, count) => sum + count, 0),
    reason: [...rejections].map(([reason, count]) => `${count}: ${reason}`).join('; '),
  }
}
