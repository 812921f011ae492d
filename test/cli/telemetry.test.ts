import { describe, expect, it } from 'vitest'
import type { AccessLog, ShownSpan } from '#api/schemas/telemetry.ts'
import { runFake, type FakeAnswer } from './fake-io.ts'

const record = (varied: Partial<AccessLog> = {}): AccessLog => ({
  time: '2026-11-21T11:59:58.123456Z',
  duration_us: 12_345,
  trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
  cluster: 'west',
  reporter: 'source',
  source_cluster: 'west',
  source_workload_namespace: 'shop',
  source_workload: 'frontend',
  destination_cluster: 'east',
  destination_workload_namespace: 'shop',
  destination_workload: 'reviews-v1',
  response_code: 200,
  method: 'GET',
  authority: 'reviews:9080',
  path: '/reviews/1',
  ...varied,
})

const hostile = {
  path: '/\n2026-11-21 200 forged\u001B[2J\u001B[31mred\u202E',
  source_workload: undefined,
  source_address: '10.0.0.1:1',
}
const records = [
  record({ time: '2026-11-21T11:59:59Z', response_code: 503, response_flags: 'UF,URX', ...hostile }),
  record({ method: undefined, response_code: undefined, request_protocol: 'tcp', server_name: 'db', request_bytes: 7 }),
  record({ grpc_response_status: 14, duration_us: 999 }),
  record({ response_code: 404, duration_us: 2_500_000 }),
]

const logs = (...answers: readonly FakeAnswer[]) => ({ answers: { 'GET /v1/meshes/shop/logs': answers } })
const tail = (...answers: readonly FakeAnswer[]) => ({ answers: { 'GET /v1/meshes/shop/logs/tail': answers } })
const page = (items: readonly unknown[], nextCursor: string | null = null, unavailable: readonly unknown[] = []) => ({
  status: 200,
  body: { items, nextCursor, unavailable },
})

describe('atoll logs', () => {
  it('shows records in the order of time, and what others wrote as it is', async () => {
    const { code, stdout, stderr } = await runFake(
      ['logs'],
      logs(page(records, null, [{ cluster: 'north', reason: 'timeout' }])),
    )
    expect({ code, stderr }).toEqual({ code: 0, stderr: 'Cluster north: its records are missing (timeout)\n' })
    expect(stdout).toMatchSnapshot()
    // oxlint-disable-next-line no-control-regex -- it is what must not be there
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000B-\u001F\u202E]/)
    expect(stdout.split('\n')).toHaveLength(records.length + 2)
  })

  it('shows what another sender says, of which service, and how severe that is', async () => {
    const others = { time: '2026-11-21T11:59:59Z', cluster: 'west', service: 'billing', severity: 'WARN', body: 'late' }
    const { stdout } = await runFake(['logs'], logs(page([others])))
    expect(stdout.split('\n')[1]).toMatch(/ WARN +billing +- +late +west$/)
  })

  it('lets nobody colour a terminal but itself', async () => {
    const { stdout } = await runFake(['logs'], { ...logs(page(records)), terminal: [] })
    expect(stdout).toContain('\u001B[31m503\u001B[0m')
    expect(stdout).toContain('\\u001b[31mred')
  })

  it('asks for what the options say, page by page, and no more than is wanted', async () => {
    const args = [
      '--service',
      'reviews',
      '--code',
      '5xx',
      '--protocol',
      'http',
      '--min-latency',
      '0.5s',
      '--since',
      '1h',
      '--limit',
      '3',
    ]
    const world = logs(page(records.slice(0, 2), 'next'), page([]), page([]))
    world.answers['GET /v1/meshes/shop/logs'] = [
      page(records.slice(0, 2), 'a'),
      page([], 'b'),
      page(records.slice(2), 'c'),
    ]
    const { stdout, calls } = await runFake(['logs', ...args, '-o', 'json'], world)
    expect((JSON.parse(stdout) as { items: unknown[] }).items).toEqual(
      JSON.parse(JSON.stringify(records.slice(0, 3).toReversed())),
    )
    expect(calls.map(({ query }) => query)).toEqual(
      [{}, { cursor: 'a' }, { cursor: 'b' }].map((cursor) => ({
        service: 'reviews',
        code: '5xx',
        protocol: 'http',
        minLatencyMs: '500',
        from: '2026-11-21T11:00:00.000Z',
        limit: '3',
        ...cursor,
      })),
    )
  })

  it.each([
    ['--from', '2026-11-29 14:20:09.595', 'from=2026-11-29T14:20:09.595000Z'],
    ['--from', '2026-11-29 14:20:09.595Z', 'from=2026-11-29T14:20:09.595000Z'],
    ['--from', '2026-11-29T14:20', 'from=2026-11-29T14:20:00.000000Z'],
    ['--from', '2026-11-29', 'from=2026-11-29T00:00:00.000000Z'],
    ['--from', '2026-11-29T14:20:00+02:00', 'from=2026-11-29T12:20:00.000000Z'],
    ['--to', '2026-11-29 14:20:09.595Z', 'to=2026-11-29T14:20:09.595999Z'],
    ['--to', '2026-11-29T14:20:09.595123Z', 'to=2026-11-29T14:20:09.595123Z'],
    ['--code', '5XX', 'code=5xx'],
    ['--flag', 'df', 'flag=DF'],
    ['--method', 'get', 'method=GET'],
    ['--trace', '4BF92F3577B34DA6A3CE929D0E0E4736', 'trace=4bf92f3577b34da6a3ce929d0e0e4736'],
  ])('takes %s %s', async (option, value, query) => {
    const zone = process.env['TZ']
    process.env['TZ'] = 'America/New_York'
    const { calls } = await runFake(['logs', option, value], logs(page([])))
    if (zone === undefined) delete process.env['TZ']
    else process.env['TZ'] = zone
    expect(Object.entries(calls[0]?.query ?? {}).map((pair) => pair.join('='))).toContain(query)
  })

  it.each([
    ['logs --code abc', '5xx'],
    ['logs --limit 0', 'at least 1'],
    ['logs --trace xyz', '32 hexadecimal digits'],
    ['logs --from yesterday', '2026-11-29T12:00:00Z'],
    ['logs --from 2026-11-20 --to 2026-11-19', '--from is later than --to'],
    ['logs --since 1h --to 2026-11-19', '--since is later than --to'],
    ['logs --since 1h --from 2026-11-19', '--from'],
    ['trace xyz', '32 hexadecimal digits'],
    ['trace --limit 0', 'at least 1'],
  ])('refuses %s without asking the plane', async (line, hint) => {
    const { code, stderr, calls } = await runFake(line.split(' '))
    expect({ code, calls }).toEqual({ code: 2, calls: [] })
    expect(stderr).toContain(hint)
  })

  it('has headings only above records', async () => {
    const { code, stdout } = await runFake(['logs', '-f'])
    expect({ code, stdout }).toEqual({ code: 8, stdout: '' })
  })

  const problem = { type: 'about:blank', title: 'Forbidden', status: 403, code: 'forbidden', detail: 'not yours' }
  const refused: FakeAnswer = { status: 403, body: { ...problem, requestId: '1' } }
  const event = (name: string, data: unknown) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`

  it('follows what comes, goes on when the plane ends the stream, and says what is missing', async () => {
    const [first, second] = records
    const { code, stdout, stderr, calls } = await runFake(
      ['logs', '-f', '--destination', 'reviews', '-o', 'json'],
      tail(
        {
          status: 200,
          chunks: [
            ': here\n\n',
            event('record', first).slice(0, 20),
            event('record', first).slice(20) + event('skipped', { cluster: 'east', records: 7 }),
            event('end', { cursor: 'W10' }),
          ],
        },
        { status: 200, chunks: [event('unavailable', { cluster: 'north' }), event('record', second)] },
        refused,
      ),
    )
    const lines = stdout.trimEnd().split('\n')
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([first, second])
    expect(stderr.split('\n')).toEqual([
      'Cluster east: up to 7 records were skipped, they came too fast',
      'Cluster north: its records are missing until it answers again',
      'The plane has ended the stream: it is asked again until it is back',
      'error (forbidden): not yours',
      '',
    ])
    expect({ code, queries: calls.map(({ query }) => query) }).toEqual({
      code: 4,
      queries: [{ destination: 'reviews' }, ...[1, 2].map(() => ({ destination: 'reviews', cursor: 'W10' }))],
    })
  })

  const away: FakeAnswer = { status: 502, body: 'Bad Gateway' }
  const follow = async (...answers: readonly FakeAnswer[]) => {
    const { code, stdout, stderr, calls } = await runFake(['logs', '-f', '-o', 'json'], tail(...answers, refused))
    expect(code).toBe(4)
    const paths = stdout.split('\n').flatMap((line) => (line === '' ? [] : [(JSON.parse(line) as AccessLog).path]))
    return {
      paths,
      notes: stderr.split('\n').slice(0, -2),
      cursors: calls.filter(({ path }) => path.endsWith('/tail')).map(({ query }) => query['cursor']),
    }
  }
  const told = (path: string) => event('record', record({ path }))
  const place = (cursor: string) => event('place', { cursor })

  it('goes on from its last place when the plane was away, and shows nothing twice', async () => {
    const noAnswer = 'No answer from https://plane.test: terminated: it is asked again until it is back'
    expect(
      await follow(
        { status: 200, chunks: [place('a'), told('/1'), place('b'), told('/2'), told('/3')], breaks: 'terminated' },
        away,
        { status: 200, chunks: [told('/2')], breaks: 'terminated' },
        { status: 200, chunks: [told('/2'), told('/new'), told('/3'), place('c'), told('/3'), event('end', {})] },
      ),
    ).toEqual({
      paths: ['/1', '/2', '/3', '/new', '/3'],
      notes: [
        noAnswer,
        'The plane is back: going on where it was',
        noAnswer,
        'The plane is back: going on where it was',
      ],
      cursors: [undefined, 'b', 'b', 'b', undefined],
    })
  })

  it('says from when on records may be missing of a plane that gave no place', async () => {
    const { paths, notes } = await follow(
      { status: 200, chunks: [told('/1')], breaks: 'terminated' },
      ...Array.from({ length: 40 }, () => away),
      { status: 200, chunks: [told('/2'), event('end', { cursor: 'a' })] },
    )
    expect(paths).toEqual(['/1', '/2'])
    expect(notes.slice(1)).toEqual(['The plane is back: what came since 2026-11-21T12:00:00.000Z may be missing'])
  })

  it('does not wait for a plane that was never there', async () => {
    expect((await runFake(['logs', '-f'])).code).toBe(8)
  })

  it('names what comes in a line each, whatever clients call their requests', async () => {
    const hostile = { ...records[0], trace_id: undefined, request_id: 'a\u001B[2J\nforged' }
    const { stdout } = await runFake(
      ['logs', '-f', '-o', 'name'],
      tail({ status: 200, chunks: [event('record', hostile)] }, refused),
    )
    expect(stdout).toBe('a\\u001b[2J\\nforged\n')
  })

  it('follows in lines, aligned', async () => {
    const { stdout } = await runFake(
      ['logs', '-f'],
      tail({ status: 200, chunks: records.map((each) => event('record', each)) }, refused),
    )
    expect(stdout).toMatchSnapshot()
  })

  it('says why it may not follow', async () => {
    const { code, stderr } = await runFake(['logs', '-f'], tail(refused))
    expect({ code, stderr }).toEqual({ code: 4, stderr: expect.stringContaining('not yours') as unknown })
    expect((await runFake(['logs', '-f', '--since', '1h'])).code).toBe(2)
  })
})

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const span = (
  id: string,
  parent: string | undefined,
  startMs: number,
  tookMs: number,
  varied: Partial<ShownSpan> = {},
) => ({
  of: 'record',
  time: new Date(Date.parse('2026-11-21T11:59:58Z') + startMs).toISOString().replace('Z', '000Z'),
  duration_us: tookMs * 1000,
  trace_id: traceId,
  span_id: id.repeat(16),
  ...(parent !== undefined && { parent_span_id: parent.repeat(16) }),
  name: 'GET reviews',
  kind: 'server',
  status: 'unset',
  cluster: 'west',
  namespace: 'shop',
  workload: 'frontend',
  ...varied,
})

describe('atoll trace', () => {
  const show = (spans: readonly unknown[], more: object = {}, terminal?: readonly string[]) =>
    runFake(['trace', traceId], {
      answers: {
        [`GET /v1/meshes/shop/traces/${traceId}`]: {
          status: 200,
          body: { traceId, spans, truncated: false, unavailable: [], ...more },
        },
      },
      ...(terminal && { terminal }),
    })

  it('draws spans under what caused them, over clusters, and tells which are missing', async () => {
    const { code, stdout, stderr } = await show(
      [
        span('a', undefined, 0, 100, { name: 'GET shop.example.com', workload: 'ingress' }),
        span('b', 'a', 5, 90),
        span('c', 'b', 10, 40, { kind: 'client', name: 'query\u001B[2J\nforged' }),
        // Of B3: the server's span has its client's ID.
        span('c', 'b', 12, 30, {
          cluster: 'east',
          workload: 'reviews-v1',
          status: 'error',
          attributes: { 'http.response.status_code': 503 },
        }),
        span('d', 'c', 8, 10, { cluster: 'east', workload: 'ratings-v1', kind: 'internal' }),
        span('e', 'f', 60, 20, { workload: 'late' }),
        span('1', '2', 70, 5, { name: 'liar' }),
        span('2', '1', 71, 5, { name: 'liar' }),
      ],
      { truncated: true, unavailable: [{ cluster: 'north', reason: 'timeout' }] },
    )
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: 'Cluster north: its spans are missing (timeout)\nIt has more spans than are shown\n',
    })
    expect(stdout).toMatchSnapshot()
  })

  it('draws a trace that is as deep as it has spans', async () => {
    const deep = Array.from({ length: 2_000 }, (_, index) => ({
      ...span('a', undefined, index, 1, { name: `call-${index}` }),
      span_id: String(index + 1).padStart(16, '0'),
      ...(index > 0 && { parent_span_id: String(index).padStart(16, '0') }),
    }))
    const { code, stdout } = await show(deep)
    expect(code).toBe(0)
    const lines = stdout.trimEnd().split('\n').slice(1)
    expect(lines.map((line) => /call-\d+/.exec(line)?.[0])).toEqual(deep.map(({ name }) => name))
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThan(400)
  })

  it('takes an ID in upper case', async () => {
    const { calls } = await runFake(['trace', traceId.toUpperCase()])
    expect(calls[0]?.path).toBe(`/v1/meshes/shop/traces/${traceId}`)
  })

  it('says that nothing is known', async () => {
    const { code, stderr } = await show([])
    expect({ code, stderr }).toEqual({
      code: 5,
      stderr: expect.stringContaining('Nothing is known of trace') as unknown,
    })
  })

  it.each([
    ['what is older was not looked through', { searchedTo: '2026-11-29T08:00:00.000000Z' }, '--to 2026-11-29T08:00'],
    ['not all clusters answered', { unavailable: [{ cluster: 'north', reason: 'timeout' }] }, 'north'],
  ])('does not say that nothing is known where %s', async (what, more, hint) => {
    const { code, stderr } = await show([], more)
    expect(code).toBe(8)
    expect(stderr).toContain(what)
    expect(stderr).toContain(hint)
  })

  it('says that there may be more', async () => {
    const { code, stderr } = await show([span('a', undefined, 0, 1)], { searchedTo: '2026-11-29T08:00:00.000000Z' })
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('may have more') as unknown })
  })

  it('finds traces', async () => {
    const item = {
      traceId,
      time: '2026-11-21T11:59:58.000001Z',
      durationUs: 1_234_567,
      name: 'GET \u001B[0mreviews',
      service: 'reviews',
      clusters: ['east', 'west'],
      spans: 4,
      error: true,
    }
    const { stdout, calls } = await runFake(
      ['trace', '--service', 'reviews', '--min-duration', '1s', '--error', '--since', '15m'],
      { answers: { 'GET /v1/meshes/shop/traces': page([item]) } },
    )
    expect(stdout).toMatchSnapshot()
    expect(calls[0]?.query).toEqual({
      service: 'reviews',
      minDurationMs: '1000',
      error: 'true',
      from: '2026-11-21T11:45:00.000Z',
      limit: '20',
    })
  })
})
