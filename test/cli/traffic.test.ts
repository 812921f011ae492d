import { describe, expect, it } from 'vitest'
import type { MeshGraph, ServiceMetrics, TrafficMetrics } from '#api/schemas/metrics.ts'
import { runFake, type FakeAnswer, type FakeWorld } from './fake-io.ts'

const traffic = (requestRate: number, varied: Partial<TrafficMetrics> = {}): TrafficMetrics => ({
  requestRate,
  errorRate: 0,
  errorRatio: requestRate === 0 ? null : 0,
  p50: requestRate === 0 ? null : 4.5,
  p90: requestRate === 0 ? null : 12.25,
  p99: requestRate === 0 ? null : 1250,
  codes: {},
  tcp: { openedRate: 0, sentByteRate: 0, receivedByteRate: 0 },
  ...varied,
})
const failing = (requestRate: number, errorRatio: number) =>
  traffic(requestRate, { errorRate: requestRate * errorRatio, errorRatio })
const tcp = traffic(0, { tcp: { openedRate: 0.004, sentByteRate: 1_500_000, receivedByteRate: 20 } })

const hostile = 'evil\n999  forged\u001B[2J\u001B[31m\u202E"]; x\\' + 'y'.repeat(40)
const period = { from: '2026-11-21T11:45:00.000Z', to: '2026-11-21T12:00:00.000Z', stepSeconds: 30 }

const service = (
  name: string,
  clusters: readonly string[],
  metrics: TrafficMetrics,
  rates: readonly number[] = [],
) => ({
  service: `${name}.shop.svc.cluster.local`,
  name,
  namespace: name === 'ratings' ? 'stars' : 'shop',
  clusters,
  ...metrics,
  series: rates.map((requestRate, index) => ({ at: period.to, requestRate, errorRate: index === 1 ? 0.1 : 0 })),
})
const services = {
  ...period,
  items: [
    { ...service('db', ['unknown'], tcp), service: 'db.example' },
    service('ratings', ['east', 'west'], failing(12.345, 0.0004), [0, 1, 8, 4]),
    service('reviews', ['unknown', 'west'], failing(1234.5, 0.123), [0, 0, 0, 0]),
    { ...service('x', ['east'], traffic(0.5)), service: hostile },
  ],
  folded: 7,
  unavailable: [{ cluster: 'north', reason: 'timeout' }],
} satisfies { [Key in keyof ServiceMetrics]: unknown }

const node = (id: string, called: readonly string[], metrics: TrafficMetrics = traffic(0)) => {
  const [cluster = '', namespace = '', workload = ''] = id.split('/')
  return {
    id,
    cluster,
    namespace,
    workload,
    services: called.map((name) => `${name}.shop.svc.cluster.local`),
    ...metrics,
  }
}
const edge = (
  source: string,
  destination: string,
  name: string,
  metrics: TrafficMetrics,
  varied: Partial<MeshGraph['edges'][number]> = {},
) => ({
  source,
  destination,
  service: `${name}.shop.svc.cluster.local`,
  protocol: 'http',
  reporter: 'destination',
  mutualTls: true,
  ...metrics,
  ...varied,
})
const nobody = 'unknown/unknown/unknown'
const graph = {
  ...period,
  nodes: [
    node('east/shop/web', []),
    node('east/shop/ratings', ['ratings'], failing(12.345, 0.0004)),
    node(nobody, ['db']),
    node('west/shop/reviews', ['reviews'], failing(90, 0.123)),
    node(`west/shop/${hostile}`, ['x'], traffic(0.5)),
    // They call each other, and nobody else calls them.
    node('west/shop/ping', ['ping'], traffic(1)),
    node('west/shop/pong', ['pong'], traffic(1)),
  ],
  clusters: [
    { name: 'east', ...failing(12.345, 0.0004) },
    { name: 'west', ...failing(92.5, 0.12) },
  ],
  edges: [
    edge('east/shop/web', 'east/shop/ratings', 'ratings', traffic(2), { protocol: 'grpc' }),
    edge('east/shop/web', 'west/shop/reviews', 'reviews', failing(60, 0.01)),
    edge(nobody, 'west/shop/reviews', 'reviews', failing(30, 0.3), { mutualTls: false }),
    edge('west/shop/reviews', 'east/shop/ratings', 'ratings', traffic(10)),
    edge('east/shop/ratings', nobody, 'db', tcp, { service: 'db.example', protocol: 'tcp', mutualTls: null }),
    edge('west/shop/reviews', `west/shop/${hostile}`, 'x', traffic(0.5), { service: hostile }),
    edge('west/shop/ping', 'west/shop/pong', 'pong', traffic(1)),
    edge('west/shop/pong', 'west/shop/ping', 'ping', traffic(1)),
  ],
  folded: 0,
  unavailable: [],
} satisfies { [Key in keyof MeshGraph]: unknown }

const ok = (body: unknown): FakeAnswer => ({ status: 200, body })
const refusal: FakeAnswer = {
  status: 401,
  body: { type: 'about:blank', title: 'Who?', status: 401, code: 'unauthenticated', requestId: '1' },
}
const world = (...answers: readonly FakeAnswer[]): FakeWorld => ({
  answers: {
    'GET /v1/meshes/shop/metrics/services': answers.length > 0 ? answers : ok(services),
    'GET /v1/meshes/shop/metrics/graph': ok(graph),
  },
})
// oxlint-disable-next-line no-control-regex -- it is what must not be there
const active = /[\u0000-\u0009\u000B-\u001F\u202E]/

describe('atoll top', () => {
  it('shows what services are asked and how they answer, the busiest first, and says what is missing', async () => {
    const { code, stdout, stderr } = await runFake(['top'], world())
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr:
        'Cluster north: its metrics are missing (timeout)\n7 counts are of series that are too many, and in none of these\n',
    })
    expect(stdout).toMatchSnapshot()
    expect(stdout).not.toMatch(active)
  })

  it.each(['edge', 'workload', 'cluster'])('shows it by %s', async (by) => {
    const { stdout } = await runFake(['top', '--by', by], world())
    expect(stdout).toMatchSnapshot()
    expect(stdout).not.toMatch(active)
  })

  it.each([
    ['--sort errors --limit 2', ['reviews.shop.svc.cluster.local', 'ratings.shop.svc.cluster.local']],
    ['--sort bytes --limit 1', ['db.example']],
    ['--service ratings.shop', ['ratings.shop.svc.cluster.local']],
    ['--service ratings.shop.svc.cluster.local', ['ratings.shop.svc.cluster.local']],
    ['--service db.example', ['db.example']],
    ['--service db', ['']],
    ['-n stars', ['ratings.shop.svc.cluster.local']],
    [
      '--by edge --service ratings --sort name',
      [
        'east/shop/web east/shop/ratings ratings.shop.svc.cluster.local',
        'west/shop/reviews east/shop/ratings ratings.shop.svc.cluster.local',
      ],
    ],
    ['--by workload --sort p99 --service reviews', ['west/shop/reviews']],
  ])('%s', async (args, names) => {
    const { stdout } = await runFake(['top', ...args.split(' '), '-o', 'name'], world())
    expect(stdout.trimEnd().split('\n')).toEqual(names)
  })

  it('asks for the window and the cluster, and has all of the answer in JSON', async () => {
    const { stdout, calls } = await runFake(['top', '--window', '1d', '--cluster', 'west', '-o', 'json'], world())
    expect(calls[0]?.query).toEqual({ window: '86400', cluster: 'west' })
    const items = [...services.items].sort((one, other) => Number(other.requestRate) - Number(one.requestRate))
    expect(JSON.parse(stdout)).toEqual({ ...services, items })
    const nothing = await runFake(['top'], world(ok({ ...services, items: [] })))
    expect(nothing.stdout).toBe('Nothing was called.\n')
    expect((await runFake(['top', '--by', 'cluster', '-n', 'shop'], world())).code).toBe(2)
  })

  it('is drawn in place on a terminal, no longer than it, and stays while the plane is away', async () => {
    const busy: FakeAnswer = { status: 503, body: { ...(refusal.body as object), status: 503, code: 'unavailable' } }
    const { code, stdout } = await runFake(['top', '--watch'], {
      ...world(ok(services), busy, busy, busy, busy, refusal),
      terminal: [],
      rows: 9,
    })
    expect(code).toBe(4)
    const frames = stdout.split('\u001B[?7l\u001B[H').slice(1)
    expect(frames).toHaveLength(2)
    expect(frames.map((frame) => frame.split('\n').length - 1)).toEqual([8, 8])
    expect(frames[0]).toMatchSnapshot()
    expect(frames[1]).toContain('No answer:')
    expect(frames[1]).toContain('reviews.shop')
  })

  it.each([
    ['top --window 30s', 'at least 1m'],
    ['graph --window 8d', 'at most 7d'],
    ['top --limit 0', 'at least 1'],
    ['top --watch --interval 0s', 'at least 1s'],
    ['top --interval 10s', '--interval is for --watch'],
  ])('%s is refused without asking the plane', async (line, hint) => {
    const { code, stderr, calls } = await runFake(line.split(' '), world())
    expect({ code, calls }).toEqual({ code: 2, calls: [] })
    expect(stderr).toContain(hint)
  })

  it('says once that nobody answers', async () => {
    let turns = 0
    const answer = (): FakeAnswer => {
      turns += 1
      if (turns === 1) return ok(services)
      if (turns < 6) throw new Error('gone')
      return refusal
    }
    const { stderr } = await runFake(['top', '--watch'], {
      answers: { 'GET /v1/meshes/shop/metrics/services': answer },
    })
    expect(stderr).toContain('\nNo answer from https://plane.test')
    expect(stderr).not.toContain('No answer: No answer')
  })

  it('is a line of JSON each time with --watch', async () => {
    const { stdout, calls } = await runFake(
      ['top', '-w', '--interval', '1m', '-o', 'json'],
      world(ok(services), ok({ ...services, items: [] }), refusal),
    )
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { items: unknown[] }).items.length),
    ).toEqual([4, 0])
    expect(calls).toHaveLength(3)
  })
})

describe('atoll graph', () => {
  it('draws each call once, below who makes it', async () => {
    const { code, stdout, calls } = await runFake(['graph'], world())
    expect({ code, query: calls[0]?.query }).toEqual({ code: 0, query: { window: '900' } })
    expect(stdout).toMatchSnapshot()
    expect(stdout).not.toMatch(active)
    // Headings, callers and calls.
    expect(stdout.trimEnd().split('\n')).toHaveLength(1 + 3 + graph.edges.length)
  })

  it('is for Graphviz with -o dot, which no other command takes', async () => {
    const { stdout } = await runFake(['graph', '-o', 'dot'], world())
    expect(stdout).toMatchSnapshot()
    expect(stdout).not.toMatch(active)
    expect((await runFake(['top', '-o', 'dot'], world())).code).toBe(2)
    expect((await runFake(['complete', '--', 'graph', '-o', 'd'])).stdout).toBe('dot\n')
  })

  it('is of one service and what is around it', async () => {
    const { stdout } = await runFake(['graph', '--service', 'ratings', '-o', 'json'], world())
    const shown = JSON.parse(stdout) as MeshGraph
    expect(shown.edges).toEqual([graph.edges[0], graph.edges[3], graph.edges[4]])
    expect(shown.nodes.map(({ id }) => id)).toEqual(['east/shop/web', 'east/shop/ratings', nobody, 'west/shop/reviews'])
    const none = await runFake(['graph', '--service', 'nothing'], world())
    expect(none.stdout).toBe('Nothing was called.\n')
  })
})
