import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import type { Batch } from '#agent/telemetry/outbox/batch.ts'
import { RecordLog } from '#agent/telemetry/records/record-log.ts'
import { RecordPacker } from '#agent/telemetry/records/record-packer.ts'
import { accessRecordSeparator } from '#mesh/telemetry/access-record.ts'
import { unknownParty, verifiedByMesh } from '#mesh/telemetry/party.ts'
import { VirtualClock } from '#test/agent/virtual-clock.ts'
import { readRecords } from './fake-edge.ts'
import { toMessage, toText, type Values } from './proxy-records.ts'

const open = () => {
  const clock = new VirtualClock()
  const batches: Batch[] = []
  const counts = { received: 0, shed: 0 }
  const messages: string[] = []
  const isAway = { value: false }
  const workload = { version: 'v1' }
  const outbox = {
    isAway: () => isAway.value,
    received: (_: string, records: number) => (counts.received += records),
    shed: (_: string, records: number) => (counts.shed += records),
    add: (batch: Batch) => batches.push(batch),
  }
  const log = new RecordLog({
    cluster: 'east',
    outbox,
    clock,
    toParty: ({ proxy }) => ({
      ...unknownParty,
      ...workload,
      workload: proxy.workload,
      principal: 'spiffe://d/ns/a/sa/b',
    }),
    onRecord: () => {},
    takeMessages: (_, text) => messages.push(text) > 0,
    revisionOf: () => 7,
  })
  const tell = (texts: readonly string[], workload = 'w', time?: bigint) =>
    log.receive(
      { proxy: { role: 'sidecar', namespace: 'a', serviceAccount: 'b', workload }, credential: 'c' },
      toMessage(texts, time),
    )
  const read = () => batches.map(({ body }) => readRecords(gunzipSync(body)))
  return { clock, batches, counts, isAway, workload, log, tell, read }
}

/** When a message's first record was. */
const toTime = (index: number): bigint => 1_700_000_000_000_000_000n + BigInt(index) * 1_000_000n

const trace = '0af7651916cd43dd8448eb211c80319c'

test('records of proxies are OTLP with the names of the fields, a second after the first or as soon as they are many', async () => {
  const { clock, log, tell, read, batches, counts } = open()
  const peer: Values = { peerUriNames: `${verifiedByMesh}|spiffe://d/ns/c/sa/d`, peerDnsNames: 'd.c.west.clusters.d' }
  const traced: Values = { traceId: trace, traceSent: `00-${trace}-b7ad6b7169203331-01` }
  tell([toText({ path: '/ä?\u{1F600}', code: '200', flags: '-', sentBytes: '9007199254740991', ...peer, ...traced })])
  tell([toText({ path: '/two', code: '503', flags: 'UF' }), 'garbage'], 'v')
  expect(batches).toEqual([])
  clock.advance(1000)
  await log.stop()
  expect(counts).toEqual({ received: 3, shed: 1 })
  const [batch] = read()
  expect(batches.map(({ records, rank }) => ({ records, rank }))).toEqual([{ records: 2, rank: 'notable' }])
  const resource = { cluster: 'east', revision: 7, reporter: 'source' }
  expect(batch).toEqual([
    expect.objectContaining({ ...resource, proxy: 'sidecar/a/v', path: '/two', response_flags: 'UF' }),
    {
      ...resource,
      time: 1_700_000_000_000_000_000,
      trace_id: trace,
      span_id: 'b7ad6b7169203331',
      sampled: 1,
      proxy: 'sidecar/a/w',
      source_workload: 'w',
      source_version: 'v1',
      source_principal: 'spiffe://d/ns/a/sa/b',
      destination_workload_namespace: 'c',
      destination_principal: 'spiffe://d/ns/c/sa/d',
      destination_cluster: 'west',
      request_protocol: 'http',
      response_code: 200,
      response_flags: '',
      path: '/ä?\u{1F600}',
      response_bytes: 9007199254740991,
    },
  ])
  expect(batch?.[0]).not.toHaveProperty('source_principal')

  const many = Array.from({ length: 800 }, (_, index) => toText({ path: `/${index}`.padEnd(1000, 'x'), code: '200' }))
  tell(many)
  tell([])
  await log.stop()
  expect(read()[1]?.map(({ path }) => path)).toEqual(many.map((text) => text.split(accessRecordSeparator)[18]))
})

test('what matters less is apart where it may have to be shed', async () => {
  const { log, tell, isAway, batches, read } = open()
  isAway.value = true
  const fine: Values = { code: '200', durationUs: '999999' }
  tell([
    toText({ ...fine, path: '/fine' }),
    toText({ ...fine, protocol: 'tcp', durationUs: '99999999', path: '/tcp' }),
    toText({ ...fine, code: '404', path: '/code' }),
    toText({ ...fine, code: '0', path: '/none' }),
    toText({ ...fine, flags: 'DC', path: '/flag' }),
    toText({ ...fine, durationUs: '1000000', path: '/slow' }),
    toText({ ...fine, grpcStatus: '5', path: '/grpc' }),
    toText({ ...fine, upstreamFailure: 'TLS', protocol: 'tcp', path: '/tls' }),
  ])
  await log.stop()
  const told = batches.map(({ rank }, index) => [rank, read()[index]?.map(({ path }) => path)])
  expect(told).toEqual([
    ['routine', ['/fine', '/tcp']],
    ['notable', ['/code', '/none', '/flag', '/slow', '/grpc', '/tls']],
  ])
})

test('a record of a time that can not be, or that took as long, is none', async () => {
  const { log, tell, read, counts } = open()
  for (const time of [0n, 10n ** 18n - 1000n, 2n ** 62n, 2n ** 64n - 1n]) tell([toText({ path: '/never' })], 'w', time)
  for (const durationUs of ['4611686018427388', '9007199254740991']) tell([toText({ path: '/long', durationUs })])
  tell([toText({ path: '/long', durationMs: '9007199254740991' })])
  tell([toText({ path: '/late', durationUs: '4611686018427387' })], 'w', 2n ** 62n - 1024n)
  await log.stop()
  expect(
    read()
      .flat()
      .map(({ path }) => path),
  ).toEqual(['/late'])
  expect(counts).toEqual({ received: 8, shed: 7 })
})

test('garbage is told of, and takes nothing with it that came before; of its own message nothing is taken', async () => {
  const { log, tell, read, counts } = open()
  const message = toMessage([toText({ path: '/kept' })])
  tell([toText({ path: '/first' })])
  for (const bytes of [
    Buffer.concat([message, Buffer.from([0x0f])]),
    message.subarray(0, -3),
    Buffer.from([0x0f]),
    Buffer.alloc(12, 0xff),
  ])
    expect(() =>
      log.receive(
        { proxy: { role: 'sidecar', namespace: 'a', serviceAccount: 'b', workload: 'w' }, credential: 'c' },
        bytes,
      ),
    ).toThrow(RangeError)
  await log.stop()
  expect(
    read()
      .flat()
      .map(({ path }) => path),
  ).toEqual(['/first'])
  expect(counts).toEqual({ received: 1, shed: 0 })
})

test('when more comes than can be packed, what matters is kept, and goes on in few batches', async () => {
  const { log, tell, read, batches, counts } = open()
  const wide = (values: Values) => toText({ code: '200', path: '/'.padEnd(2000, 'x'), ...values })
  const message = [wide({ code: '503' }), ...Array.from({ length: 99 }, () => wide({}))]
  // 48 MB, before anything of it can be compressed.
  for (let index = 0; index < 240; index += 1) tell(message, 'w', toTime(index))
  await log.stop()
  const codes = read().flatMap((records) => records.map(({ response_code: code }) => code))
  expect(codes.filter((code) => code === 503)).toHaveLength(240)
  expect(codes.length).toBeGreaterThan(7000)
  expect(counts).toEqual({ received: 24_000, shed: 24_000 - codes.length })
  expect(batches.length).toBeLessThan(10)
})

test('a message that becomes much more than it was fills no batch that others are in, and no more room than there is', async () => {
  const { log, tell, batches, counts, workload } = open()
  tell([toText({ path: '/other' })], 'v')
  workload.version = 'x'.repeat(1000)
  const texts = Array.from({ length: 40_000 }, () => toText({ code: '200' }))
  tell(texts)
  await log.stop()
  const sizes = batches.map(({ body }) => gunzipSync(body).length)
  expect(Math.max(...sizes)).toBeLessThanOrEqual(4 * 1024 * 1024)
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(18 * 1024 * 1024)
  const records = batches.reduce((sum, batch) => sum + batch.records, 0)
  expect(records).toBeGreaterThan(10_000)
  expect(counts).toEqual({ received: 40_001, shed: 40_001 - records })
})

test('a part that a batch has no room for waits for the next, and one that is too large goes alone', async () => {
  const mebibytes: number[] = []
  const packer = new RecordPacker({
    clock: new VirtualClock(),
    add: ({ body }) => mebibytes.push(gunzipSync(body).length / 1024 / 1024),
    shed: () => {},
    isAway: () => false,
  })
  for (const size of [1, 3, 3, 1, 5, 1]) packer.add('routine', { bytes: Buffer.alloc(size * 1024 * 1024), records: 1 })
  await packer.stop()
  expect(mebibytes).toEqual([1, 3, 4, 5, 1])
})

test('what a proxy tells again, since it got no answer, is taken once', async () => {
  const { log, tell, read, clock, counts } = open()
  const told = () =>
    read()
      .flat()
      .map(({ path, proxy }) => `${proxy} ${path}`)
  tell([toText({ path: '/once' })])
  tell([toText({ path: '/once' })])
  tell([toText({ path: '/once' })], 'v')
  clock.advance(10_000)
  tell([toText({ path: '/once' })])
  tell([toText({ path: '/once' })], 'w', toTime(1))
  await log.stop()
  expect(told().toSorted()).toEqual(['sidecar/a/v /once', 'sidecar/a/w /once', 'sidecar/a/w /once'])
  expect(counts).toEqual({ received: 3, shed: 0 })
})

test('a record says of its own workload what is so then', async () => {
  const { log, tell, read, workload } = open()
  tell([toText({ path: '/1' })])
  workload.version = 'v2'
  tell([toText({ path: '/2' })])
  await log.stop()
  expect(
    read()
      .flat()
      .map(({ path, source_version: version }) => [path, version]),
  ).toEqual([
    ['/1', 'v1'],
    ['/2', 'v2'],
  ])
})
