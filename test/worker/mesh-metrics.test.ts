import { describe, expect, test } from 'vitest'
import type { MeshGraph, ServiceMetrics } from '#api/schemas/metrics.ts'
import { joinMetricsCluster } from './support/test-metrics.ts'
import type { Counted } from './support/test-metrics.ts'
import { createTestMesh, makeToken, send } from './support/test-plane.ts'

const MINUTE = 60_000

interface Call {
  readonly from: string
  readonly to: string
  readonly service?: string
  readonly reporter: 'source' | 'destination'
  readonly code?: string
  readonly grpc?: string
  readonly policy?: string
  readonly count: number
}

/** Workloads are "cluster/name". */
const toCounted = (untilMs: number, calls: readonly Call[]): Counted[] =>
  calls.flatMap(
    ({ from, to, service = to.split('/')[1] ?? '', reporter, code = '200', grpc, policy = 'unknown', count }) => {
      const side = (name: string, workload: string) => {
        const [cluster = '', own = ''] = workload.split('/')
        return { [`${name}_workload`]: own, [`${name}_workload_namespace`]: 'shop', [`${name}_cluster`]: cluster }
      }
      const labels = {
        reporter,
        ...side('source', from),
        ...side('destination', to),
        destination_service: `${service}.shop.svc.cluster.local`,
        destination_service_name: service,
        destination_service_namespace: 'shop',
        request_protocol: grpc === undefined ? 'http' : 'grpc',
        response_code: code,
        ...(grpc !== undefined && { grpc_response_status: grpc }),
        connection_security_policy: policy,
        response_flags: '-',
      }
      const histogram = { bounds: [10, 20], counts: [count / 2, count / 2, 0], sum: count * 10 }
      return [
        { name: 'istio_requests_total', labels, untilMs, value: count },
        { name: 'istio_request_duration_milliseconds', labels, untilMs, histogram },
      ]
    },
  )

describe('the metrics of a mesh', () => {
  test('count each request once, as the side tells it that knows best, over all clusters', async () => {
    const mesh = await createTestMesh()
    const east = await joinMetricsCluster(mesh, 'east')
    const west = await joinMetricsCluster(mesh, 'west')
    const toMs = Math.floor(Date.now() / MINUTE) * MINUTE
    const untilMs = toMs - 2 * MINUTE
    await east.send(
      toCounted(untilMs, [
        // Told by both sides, in two clusters.
        { from: 'east/web', to: 'west/reviews', reporter: 'source', count: 600 },
        { from: 'east/web', to: 'west/reviews', reporter: 'source', code: '503', count: 60 },
        // Came to nobody.
        { from: 'east/web', to: 'unknown/unknown', service: 'reviews', reporter: 'source', code: '0', count: 30 },
        // No proxy on the other side.
        { from: 'east/web', to: 'east/legacy', reporter: 'source', count: 300 },
        { from: 'east/web', to: 'east/ratings', reporter: 'source', grpc: '14', count: 300 },
      ]),
    )
    await west.send(
      toCounted(untilMs, [
        { from: 'east/web', to: 'west/reviews', reporter: 'destination', policy: 'mutual_tls', count: 600 },
        { from: 'east/web', to: 'west/reviews', reporter: 'destination', policy: 'mutual_tls', code: '503', count: 60 },
        // The source showed no certificate: only the destination knows of it.
        { from: 'unknown/unknown', to: 'west/reviews', reporter: 'destination', policy: 'none', count: 90 },
      ]),
    )
    await west.send([
      {
        name: 'istio_tcp_sent_bytes_total',
        labels: { reporter: 'source', destination_service: 'db.example', request_protocol: 'tcp' },
        untilMs,
        value: 9000,
      },
    ])
    // Called in the same hour, but not in the window; and not called.
    const old = { name: 'istio_requests_total', labels: { reporter: 'source', destination_service: 'old.example' } }
    await west.send([
      ...Array.from({ length: 6 }, (_, index) => ({
        ...old,
        untilMs: untilMs - 1_200_000 - index * 600_000,
        value: 1,
      })),
      { ...old, untilMs, value: 0 },
    ])
    const query = `?window=900&to=${new Date(toMs).toISOString()}`
    const { body: services } = await mesh.send<ServiceMetrics>('GET', `/metrics/services${query}`)
    expect(services).toMatchObject({ stepSeconds: 30, folded: 0, unavailable: [], to: new Date(toMs).toISOString() })
    expect(
      services.items.map(({ name, clusters, requestRate, errorRate, codes }) => [
        name,
        clusters,
        requestRate * 900,
        errorRate * 900,
        codes,
      ]),
    ).toEqual([
      ['db.example', ['unknown'], 0, 0, {}],
      ['legacy', ['east'], 300, 0, { '2xx': 300 }],
      ['ratings', ['east'], 300, 300, { 'grpc-14': 300 }],
      ['reviews', ['unknown', 'west'], 780, 90, { '2xx': 690, '5xx': 60, none: 30 }],
    ])
    expect(services.items[0]?.tcp.sentByteRate).toBe(10)
    expect(services.items[3]).toMatchObject({ p50: 10, p90: 18, errorRatio: 90 / 780 })
    const series = services.items[3]?.series ?? []
    expect(series).toHaveLength(30)
    expect(series.filter(({ requestRate }) => requestRate > 0)).toEqual([
      { at: new Date(untilMs).toISOString(), requestRate: 26, errorRate: 3 },
    ])

    const { body: graph } = await mesh.send<MeshGraph>('GET', `/metrics/graph${query}`)
    expect(
      graph.nodes.map(({ id, services: called, requestRate, p90 }) => [
        id,
        called.map((host) => host.split('.')[0]),
        requestRate * 900,
        p90,
      ]),
    ).toEqual([
      ['east/shop/legacy', ['legacy'], 300, 18],
      ['east/shop/ratings', ['ratings'], 300, 18],
      ['east/shop/web', [], 0, null],
      ['unknown/shop/unknown', ['reviews'], 30, 18],
      ['unknown/unknown/unknown', ['db'], 0, null],
      ['west/shop/reviews', ['reviews'], 750, 18],
    ])
    expect(
      graph.clusters.map(({ name, requestRate, errorRate }) => [name, requestRate * 900, errorRate * 900]),
    ).toEqual([
      ['east', 600, 300],
      ['unknown', 30, 30],
      ['west', 750, 60],
    ])
    expect(
      graph.edges.map(({ source, destination, protocol, reporter, mutualTls, requestRate }) =>
        [source, destination, protocol, reporter, mutualTls, requestRate * 900].join(' '),
      ),
    ).toEqual([
      'east/shop/web east/shop/legacy http source  300',
      'east/shop/web east/shop/ratings grpc source  300',
      'east/shop/web unknown/shop/unknown http source  30',
      'east/shop/web west/shop/reviews http destination true 660',
      'unknown/shop/unknown west/shop/reviews http destination false 90',
      'unknown/unknown/unknown unknown/unknown/unknown tcp source  0',
    ])

    // As one cluster alone tells it, and rolled up by the minute.
    await east.rollUpAt(toMs + 3 * 24 * 60 * MINUTE)
    const { body: alone } = await mesh.send<ServiceMetrics>('GET', `/metrics/services${query}&cluster=east`)
    expect(alone.stepSeconds).toBe(60)
    expect(alone.items.map(({ name, requestRate }) => [name, requestRate * 900])).toEqual([
      ['legacy', 300],
      ['ratings', 300],
      ['reviews', 690],
    ])
  })

  test('are of whoever may read the mesh', async () => {
    const mesh = await createTestMesh()
    const { secret } = await makeToken({ role: 'viewer', scopes: { mesh: 'other' } })
    for (const rest of ['services', 'graph'])
      expect(await send('GET', `/v1/meshes/${mesh.name}/metrics/${rest}`, { token: secret })).toMatchObject({
        status: 404,
      })
    expect(await mesh.send('GET', '/metrics/graph?window=1')).toMatchObject({ status: 400 })
    expect(await mesh.send('GET', '/metrics/graph?cluster=nowhere')).toMatchObject({ status: 404 })
  })
})
