import { gunzipSync } from 'node:zlib'
import { fromBinary } from '@bufbuild/protobuf'
import { expect, test } from 'vitest'
import type { Batch } from '#agent/telemetry/outbox/batch.ts'
import { SpanLog } from '#agent/telemetry/forward/span-log.ts'
import { ExportTraceServiceRequestSchema } from '#envoy/opentelemetry/proto/collector/trace/v1/trace_service_pb.ts'
import { VirtualClock } from '#test/agent/virtual-clock.ts'

const open = () => {
  const clock = new VirtualClock()
  const batches: Batch[] = []
  const shed: number[] = []
  const log = new SpanLog({
    cluster: 'east',
    slowMilliseconds: 1000,
    clock,
    add: (batch) => batches.push(batch),
    shed: (spans) => shed.push(spans),
  })
  const tell = (nanoseconds: bigint, durationUs: number) => {
    const time = Buffer.alloc(8)
    time.writeBigUInt64LE(nanoseconds)
    const fields = { trace_id: 'a'.repeat(32), sampled: 1, response_code: 200, duration_us: durationUs }
    log.tell({ time, fields, parties: () => ({ proxy: 'sidecar/a/w' }) })
  }
  return { clock, batches, shed, tell }
}

test('the latest and longest record that may come fits a span; one that does not is shed, and ends nothing', () => {
  const { clock, batches, shed, tell } = open()
  tell(2n ** 62n - 1n, 4_611_686_018_427_387)
  clock.advance(1000)
  const [span] = batches.flatMap(({ body }) =>
    fromBinary(ExportTraceServiceRequestSchema, gunzipSync(body)).resourceSpans.flatMap(({ scopeSpans }) =>
      scopeSpans.flatMap(({ spans }) => spans),
    ),
  )
  expect(span?.endTimeUnixNano).toBeLessThan(2n ** 63n)

  tell(2n ** 64n - 1n, 5)
  clock.advance(1000)
  expect({ batches: batches.length, shed }).toEqual({ batches: 1, shed: [1] })
})

test('many spans are one batch, whatever one of them tells', () => {
  const { batches, shed, tell } = open()
  tell(2n ** 64n - 1n, 5)
  for (let index = 0; index < 2099; index += 1) tell(1_700_000_000_000_000_000n, 5)
  const [batch] = batches
  const spans = fromBinary(ExportTraceServiceRequestSchema, gunzipSync(batch?.body ?? '')).resourceSpans.flatMap(
    ({ scopeSpans }) => scopeSpans.flatMap((each) => each.spans),
  )
  expect([batch?.records, spans.length]).toEqual([2000, 2000])
  // Those that were encoded together.
  expect(shed).toEqual([100])
})
