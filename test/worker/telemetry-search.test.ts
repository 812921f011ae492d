import { runInDurableObject } from 'cloudflare:test'
import { env, exports } from 'cloudflare:workers'
import { beforeAll, describe, expect, test } from 'vitest'
import type { AccessLogPage, Trace, TracePage } from '#api/schemas/telemetry.ts'
import { SegmentReader } from '#worker/telemetry/archive/read-segment.ts'
import { writeSegment } from '#worker/telemetry/archive/segment-file.ts'
import type { Segment } from '#worker/telemetry/archive/segments.ts'
import { toTimeText } from '#worker/telemetry/search/show-record.ts'
import { createTestMesh, ORIGIN } from './support/test-plane.ts'
import type { TestMesh } from './support/test-plane.ts'
import {
  archive,
  encodeLogs,
  encodeSpans,
  joinTelemetryCluster,
  sendExport,
  sendLogs,
} from './support/test-telemetry.ts'
import type { TelemetryCluster } from './support/test-telemetry.ts'

const [traceA, traceB] = ['a', 'b'].map((digit) => digit.repeat(32)) as [string, string]
const span = (digit: string): string => digit.repeat(16)

let mesh: TestMesh
let east: TelemetryCluster
let west: TelemetryCluster
const startUs = Date.now() * 1000 - 60_000_000
const at = (seconds: number): string => new Date(startUs / 1000 + seconds * 1000).toISOString()

const toLog = (seconds: number, path: string, attributes: Record<string, string | number>, ids = {}) => ({
  timeUs: startUs + seconds * 1_000_000,
  ...ids,
  attributes: { path, reporter: 'destination', method: 'GET', response_code: 200, duration_us: 1_000, ...attributes },
})

beforeAll(async () => {
  mesh = await createTestMesh()
  east = await joinTelemetryCluster(mesh, 'east')
  west = await joinTelemetryCluster(mesh, 'west')
  const reviews = {
    destination_service: 'reviews.default.svc.cluster.local',
    destination_service_name: 'reviews',
    destination_service_namespace: 'default',
    destination_canonical_service: 'reviews',
    destination_workload: 'reviews-v1',
    destination_workload_namespace: 'shop',
    source_canonical_service: 'web',
    source_workload: 'web-v2',
    source_workload_namespace: 'front',
    source_principal: 'spiffe://mesh/ns/front/sa/web',
  }
  await sendLogs(east.token, [
    toLog(1, '/one', { ...reviews, duration_us: 900_000 }, { traceId: traceA, spanId: span('2') }),
    toLog(2, '/two', { ...reviews, response_code: 503, response_flags: 'UF,URX' }, { traceId: traceB }),
    toLog(3, '/three', {
      destination_canonical_service: 'ratings',
      method: 'POST',
      connection_security_policy: 'none',
      policy_verdict: 'denied:none',
      policy_trial: 'denied:ns[shop]-policy[readers]-rule[0]',
    }),
  ])
  await sendLogs(west.token, [
    toLog(
      1,
      '/one-of-web',
      { ...reviews, reporter: 'source', parent_span_id: span('1') },
      { traceId: traceA, spanId: span('3') },
    ),
    toLog(2, '/gone', {
      source_canonical_service: 'reviews',
      response_code: 404,
      policy_verdict: 'denied:ns[shop]-policy[readers-2]-rule[0]',
      policy_audit: 'ns[shop]-policy[readers]-rule[1]',
    }),
    toLog(4, '/four', { source_workload: 'reviews', response_code: 0, request_protocol: 'http' }),
  ])
  await sendExport(
    'traces',
    west.token,
    encodeSpans(
      [
        {
          timeUs: startUs,
          endUs: startUs + 2_000_000,
          traceId: traceA,
          spanId: span('1'),
          name: 'checkout',
          status: 2,
        },
        // What the record of the proxy is told better by who made it.
        {
          timeUs: startUs + 1,
          endUs: startUs + 5,
          traceId: traceA,
          spanId: span('3'),
          parentSpanId: span('1'),
          name: 'own',
        },
      ],
      { 'service.name': 'web', 'k8s.namespace.name': 'front', 'telemetry.sdk.name': 'sdk' },
    ),
  )
})

describe.each([
  ['that has just come in', false],
  ['out of the archive', true],
])('what is searched for %s', (_, isArchived) => {
  beforeAll(async () => {
    if (!isArchived) return
    await archive(east)
    await archive(west)
  })

  const search = async (query: string): Promise<AccessLogPage> => {
    const { status, body } = await mesh.send<AccessLogPage>('GET', `/logs?${query}`)
    if (status !== 200) throw new Error(JSON.stringify(body))
    return body
  }

  test.each([
    ['', ['/four', '/three', '/two', '/gone', '/one', '/one-of-web']],
    ['service=reviews', ['/two', '/gone', '/one', '/one-of-web']],
    ['service=reviews.default.svc.cluster.local', ['/two', '/one', '/one-of-web']],
    ['service=reviews.default', ['/two', '/one', '/one-of-web']],
    ['service=reviews.shop', ['/two', '/one', '/one-of-web']],
    ['service=web.front', ['/two', '/one', '/one-of-web']],
    ['service=web.shop', []],
    ['service=review', []],
    ['source=reviews', ['/four', '/gone']],
    ['destination=reviews', ['/two', '/one', '/one-of-web']],
    ['destination=reviews.default', ['/two', '/one', '/one-of-web']],
    ['destination=web.front', []],
    ['source=web.front', ['/two', '/one', '/one-of-web']],
    ['destination=reviews-v1&reporter=source', ['/one-of-web']],
    ['workload=web-v2', ['/two', '/one', '/one-of-web']],
    ['namespace=shop', ['/two', '/one', '/one-of-web']],
    ['principal=spiffe://mesh/ns/front/sa/web&cluster=east', ['/two', '/one']],
    ['cluster=west', ['/four', '/gone', '/one-of-web']],
    ['code=503', ['/two']],
    ['code=4xx', ['/gone']],
    ['code=0', ['/four']],
    ['flag=URX', ['/two']],
    ['flag=U', []],
    ['minLatencyMs=900', ['/one']],
    ['maxLatencyMs=900&path=/one', ['/one', '/one-of-web']],
    ['maxLatencyMs=899&path=/one', ['/one-of-web']],
    ['protocol=http', ['/four']],
    ['protocol=tcp', []],
    ['method=POST', ['/three']],
    ['security=none', ['/three']],
    ['security=mutual_tls', []],
    ['verdict=denied', ['/three', '/gone']],
    ['verdict=trial', ['/three']],
    ['verdict=audit', ['/gone']],
    ['policy=shop/readers', ['/three', '/gone']],
    ['policy=shop/readers-2', ['/gone']],
    ['policy=shop/readers&verdict=denied', []],
    ['policy=shop/readers&verdict=audit', ['/gone']],
    [`trace=${traceA}`, ['/one', '/one-of-web']],
    [`from=${at(2)}&to=${at(3)}`, ['/three', '/two', '/gone']],
  ])('%s', async (query, paths) => {
    const { items, nextCursor, unavailable } = await search(query)
    expect(items.map(({ path }) => path)).toEqual(paths)
    expect([nextCursor, unavailable]).toEqual([null, []])
  })

  test('comes page by page, each record once, also of one time in two clusters', async () => {
    const paths: (string | undefined)[] = []
    let cursor = ''
    for (;;) {
      const { items, nextCursor } = await search(`limit=1${cursor}`)
      paths.push(...items.map(({ path }) => path))
      if (nextCursor === null) break
      cursor = `&cursor=${nextCursor}`
    }
    expect(paths).toEqual(['/four', '/three', '/two', '/gone', '/one', '/one-of-web'])
  })

  test('is a trace of the spans that were sent and those that records are', async () => {
    const { body } = await mesh.send<Trace>('GET', `/traces/${traceA}`)
    expect(body).toMatchObject({ traceId: traceA, truncated: false, unavailable: [] })
    expect(body.spans).toEqual([
      expect.objectContaining({ of: 'span', name: 'checkout', status: 'error', service: 'web', kind: 'internal' }),
      expect.objectContaining({
        of: 'span',
        span_id: span('3'),
        parent_span_id: span('1'),
        name: 'own',
        namespace: 'front',
      }),
      {
        of: 'record',
        time: expect.stringMatching(/\.\d{6}Z$/) as string,
        duration_us: 900_000,
        trace_id: traceA,
        span_id: span('2'),
        name: 'GET reviews.default.svc.cluster.local',
        kind: 'server',
        status: 'unset',
        service: 'reviews',
        cluster: 'east',
        namespace: 'shop',
        workload: 'reviews-v1',
        attributes: expect.objectContaining({ 'http.response.status_code': 200, 'url.path': '/one' }) as object,
      },
    ])
    const { body: other } = await mesh.send<Trace>('GET', `/traces/${traceB}`)
    expect(other.spans).toEqual([
      expect.objectContaining({ status: 'error', span_id: expect.stringMatching(/^[0-9a-f]{16}$/) as string }),
    ])
    const { body: none } = await mesh.send<Trace>('GET', `/traces/${'c'.repeat(32)}`)
    expect(none.spans).toEqual([])
  })

  test.each([
    ['', [traceB, traceA]],
    ['error=true', [traceB, traceA]],
    ['error=true&service=reviews', [traceB]],
    ['service=web&minDurationMs=1500', [traceA]],
    ['service=web.front&minDurationMs=1500', [traceA]],
    ['service=web.shop', []],
    ['error=true&service=reviews.default', [traceB]],
    ['minDurationMs=3000', []],
  ])('is traces: %s', async (query, ids) => {
    const { body } = await mesh.send<TracePage>('GET', `/traces?${query}`)
    expect(body.items.map(({ traceId }) => traceId)).toEqual(ids)
  })
})

test('what a search asks for is checked', async () => {
  for (const query of [
    'code=6xx',
    'protocol=udp',
    'from=yesterday',
    'trace=xyz',
    'limit=501',
    'cursor=W10',
    'minLatencyMs=-1',
    'verdict=allowed',
    'security=tls',
    'policy=readers',
    'policy=shop/a]',
  ])
    expect.soft((await mesh.send('GET', `/logs?${query}`)).status, query).toBe(400)
  expect((await mesh.send('GET', '/logs?cluster=north')).status).toBe(404)
  expect((await mesh.send('GET', '/traces/xyz')).status).toBe(400)
})

test("another sender's records are found by its service.name, and do not say their cluster twice", async () => {
  const own = await createTestMesh()
  const north = await joinTelemetryCluster(own, 'north')
  const resource = { 'service.name': 'billing', cluster: 'north', 'k8s.pod.name': 'billing-1' }
  const record = { timeUs: startUs, attributes: { service: 'a tag', severity: 'a tag' } }
  expect((await sendExport('logs', north.token, encodeLogs([record], resource))).status).toBe(200)
  await sendLogs(north.token, [toLog(1, '/other', {})])
  const find = async () => (await own.send<AccessLogPage>('GET', '/logs?service=billing')).body.items
  const found = await find()
  expect(found).toEqual([
    {
      time: toTimeText(startUs),
      cluster: 'north',
      service: 'billing',
      attributes: { 'k8s.pod.name': 'billing-1', service: 'a tag', severity: 'a tag' },
    },
  ])
  await archive(north)
  expect(await find()).toEqual(found)
})

test('a file of the archive is read by who knows more fields than it has', async () => {
  const { bytes, groups } = writeSegment('logs', { rows: 1, columns: new Map([['time', [startUs]]]) })
  await env.TELEMETRY.put('of-before', bytes)
  const segment = { key: 'of-before', bytes: bytes.byteLength, groups } as unknown as Segment
  const { columns } = await new SegmentReader(env.TELEMETRY).read(segment, 0, ['time', 'of-a-later-version'])
  expect([...columns]).toEqual([['time', [startUs]]])
})

test('a tail tells what comes in from now on, and what it has to skip', async () => {
  const abort = new AbortController()
  const response = await exports.default.fetch(`${ORIGIN}/v1/meshes/${mesh.name}/logs/tail?path=/new`, {
    headers: { Authorization: `Bearer ${mesh.token}` },
    signal: abort.signal,
  })
  expect(response.headers.get('Content-Type')).toContain('text/event-stream')
  const reader = (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  const readUntil = async (part: string): Promise<void> => {
    while (!text.includes(part)) {
      const { done, value } = await reader.read()
      if (done) throw new Error(`the stream ended: ${text}`)
      text += value
    }
  }
  await readUntil('event: place')
  const many = Array.from({ length: 600 }, (_, index) => toLog(10, `/new/${index}`, {}))
  await sendLogs(east.token, [toLog(9, '/new/\u001b[31m', {}), toLog(9, '/other', {})])
  await readUntil('event: record')
  expect(text).toContain(String.raw`"path":"/new/\u001b[31m"`)
  await sendLogs(west.token, many)
  await readUntil('/new/599')
  expect(text).toContain('event: skipped\ndata: {"cluster":"west","records":100}')
  expect(text).not.toContain('/other')
  abort.abort()
})

describe('what one answer has no room for', () => {
  const [many, big] = ['d', 'e'].map((digit) => digit.repeat(32)) as [string, string]
  const tellEast = (statement: string): Promise<void> =>
    runInDurableObject(east.stub, (_, { storage }) => void storage.sql.exec(statement))

  test('a trace is found behind more false alarms of the catalog than one answer looks at', async () => {
    for (const seconds of [-400, -300, -200, -100])
      await sendLogs(east.token, [toLog(seconds, '/old', {}, seconds === -400 ? { traceId: many } : {})])
    const old = `max_time < ${startUs - 50_000_000}`
    await tellEast(`UPDATE chunks SET records = 300000, bloom = x'FFFFFFFFFFFFFFFF' WHERE ${old}`)
    const { body } = await mesh.send<Trace>('GET', `/traces/${many}`)
    expect(body).toMatchObject({ spans: [{ trace_id: many }], truncated: false, unavailable: [] })
    expect(body).not.toHaveProperty('searchedTo')
    await tellEast(`DELETE FROM chunks WHERE ${old}`)
  })

  test('records that are large come in several pages, each once, though all are of one time', async () => {
    const large = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`a${index}`, `${index}`.repeat(2_000)]))
    const count = 30
    for (let first = 0; first < count; first += 10)
      await sendLogs(
        east.token,
        Array.from({ length: 10 }, (_, index) => toLog(-500, `/${first + index}`, large, { traceId: big })),
      )
    const paths: (string | undefined)[] = []
    let [pages, cursor] = [0, '']
    for (;;) {
      const { body } = await mesh.send<AccessLogPage>('GET', `/logs?trace=${big}&limit=100${cursor}`)
      expect(JSON.stringify(body).length).toBeLessThan(3 * 1024 * 1024)
      expect(body.unavailable).toEqual([])
      paths.push(...body.items.map(({ path }) => path))
      pages += 1
      if (body.nextCursor === null) break
      cursor = `&cursor=${body.nextCursor}`
    }
    expect(pages).toBeGreaterThan(1)
    expect(paths).toEqual(Array.from({ length: count }, (_, index) => `/${count - 1 - index}`))
    const { body } = await mesh.send<Trace>('GET', `/traces/${big}`)
    expect(body).toMatchObject({ truncated: false, unavailable: [] })
    expect(body.spans).toHaveLength(count)
  })
})

test('a cluster whose store fails is named, and keeps nobody from the others’ records', async () => {
  await runInDurableObject(west.stub, (_, { storage }) => storage.sql.exec('ALTER TABLE chunks RENAME TO lost'))
  const { body } = await mesh.send<AccessLogPage>('GET', '/logs?path=/t')
  expect(body.items.map(({ path }) => path)).toEqual(['/three', '/two'])
  expect(body.unavailable).toEqual([{ cluster: 'west', reason: expect.any(String) as string }])
})
