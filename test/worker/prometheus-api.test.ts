import { describe, expect, test } from 'vitest'
import { exports } from 'cloudflare:workers'
import { joinMetricsCluster } from './support/test-metrics.ts'
import type { Counted } from './support/test-metrics.ts'
import { createTestMesh, makeToken, ORIGIN, send } from './support/test-plane.ts'
import type { TestMesh } from './support/test-plane.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND

interface Answer {
  readonly status: string
  readonly error?: string
  readonly warnings?: string[]
  readonly data: {
    readonly resultType: string
    readonly result: { metric: Record<string, string>; value: [number, string] }[]
  }
}

/** Twenty minutes of steady traffic until `endMs`: 10 requests in each 10 s, one of them failing. */
const toTraffic = (endMs: number, service: string): Counted[] =>
  Array.from({ length: 120 }, (_, index) => endMs - index * 10 * SECOND).flatMap((untilMs) => {
    const labels = { reporter: 'destination', destination_service: service }
    return [
      { name: 'istio_requests_total', labels: { ...labels, response_code: '200' }, untilMs, value: 9 },
      { name: 'istio_requests_total', labels: { ...labels, response_code: '503' }, untilMs, value: 1 },
      {
        name: 'istio_request_duration_milliseconds',
        labels,
        untilMs,
        histogram: { bounds: [1, 5, 10], counts: [0, 8, 2, 0], sum: 40 },
      },
    ]
  })

const ask = async (mesh: TestMesh, query: string, time: number) =>
  (await mesh.send<Answer>('GET', `/prometheus/api/v1/query?query=${encodeURIComponent(query)}&time=${time / 1000}`))
    .body

const scrape = async (mesh: TestMesh, rest = '') => {
  const response = await exports.default.fetch(`${ORIGIN}/v1/meshes/${mesh.name}/metrics/federate${rest}`, {
    headers: { Authorization: `Bearer ${mesh.token}` },
  })
  const lines = (await response.text()).split('\n').filter((line) => line !== '')
  const samples = lines.filter((line) => !line.startsWith('#'))
  const types = lines.slice(0, lines.length - samples.length)
  expect(types).toContain('# TYPE istio_request_duration_milliseconds histogram')
  return samples
}

describe('the API of Prometheus', () => {
  test('answers what dashboards ask, of all clusters, before and after rolling up', async () => {
    const mesh = await createTestMesh()
    const east = await joinMetricsCluster(mesh, 'east')
    const west = await joinMetricsCluster(mesh, 'west')
    const endMs = Math.floor(Date.now() / (10 * SECOND)) * 10 * SECOND
    await east.send(toTraffic(endMs, 'reviews.default.svc'))
    await west.send(toTraffic(endMs, 'reviews.default.svc'))
    await west.send(toTraffic(endMs, 'ratings.default.svc'))
    const rows: (readonly [query: string, expected: Record<string, string>])[] = [
      ['round(sum(rate(istio_requests_total{reporter="destination"}[1m])), 0.01)', { '': '3' }],
      [
        'sum by (destination_service) (increase(istio_requests_total[5m]))',
        { 'reviews.default.svc': '600', 'ratings.default.svc': '300' },
      ],
      [
        'sum(irate(istio_requests_total{destination_service=~"rev.*",response_code!~"5.*"}[1m])) / sum(irate(istio_requests_total{destination_service=~"rev.*"}[1m]))',
        { '': '0.9' },
      ],
      ['histogram_quantile(0.4, sum by (le) (rate(istio_request_duration_milliseconds_bucket[1m])))', { '': '3' }],
      ['sum by (cluster) (rate(istio_requests_total{response_code="503"}[10m]))', { east: '0.1', west: '0.2' }],
      ['sum by (cluster) (rate(istio_request_duration_milliseconds_count{cluster="west"}[1m]))', { west: '2' }],
      [
        'sum(rate(istio_request_duration_milliseconds_sum[1m])) / sum(rate(istio_request_duration_milliseconds_count[1m]))',
        { '': '4' },
      ],
      ['count(istio_request_duration_milliseconds_bucket{le="+Inf"})', { '': '3' }],
      ['sum(rate(istio_requests_total{cluster="south"}[1m])) or vector(0)', { '': '0' }],
      ['max(max_over_time(istio_requests_total[1m])) - min(istio_requests_total)', { '': '960' }],
    ]
    const answerAll = async () => {
      for (const [query, expected] of rows) {
        const { data, warnings } = await ask(mesh, query, endMs)
        const found = data.result.map(({ metric, value }) => [
          Object.values(metric).join(),
          Number(value[1]).toPrecision(6),
        ])
        const wanted = Object.entries(expected).map(([labels, value]) => [labels, Number(value).toPrecision(6)])
        expect([query, warnings, Object.fromEntries(found)]).toEqual([query, undefined, Object.fromEntries(wanted)])
      }
    }
    await answerAll()
    for (const cluster of [east, west]) await cluster.rollUpAt(endMs + 7 * MINUTE)
    await answerAll()

    const post = (path: string, form: Record<string, string>) =>
      exports.default
        .fetch(`${ORIGIN}/v1/meshes/${mesh.name}/prometheus/api/v1/${path}`, {
          method: 'POST',
          headers: { Authorization: `Bearer ${mesh.token}` },
          body: new URLSearchParams(form),
        })
        .then((response) => response.json())
    const range = { start: String(endMs / 1000 - 60), end: new Date(endMs).toISOString(), step: '30s' }
    expect(await post('query_range', { query: 'sum(rate(istio_requests_total[1m]))', ...range })).toMatchObject({
      status: 'success',
      data: { resultType: 'matrix', result: [{ metric: {}, values: [{ 1: '3' }, { 1: '3' }, { 1: '3' }] }] },
    })
    const { body: values } = await mesh.send(
      'GET',
      '/prometheus/api/v1/label/destination_service/values?match[]=istio_requests_total',
    )
    expect(values).toEqual({ status: 'success', data: ['ratings.default.svc', 'reviews.default.svc'] })
    expect(await post('labels', { 'match[]': 'istio_requests_total' })).toMatchObject({
      data: ['__name__', 'cluster', 'destination_service', 'reporter', 'response_code'],
    })
    expect(
      (
        await mesh.send<{ data: unknown[] }>(
          'GET',
          '/prometheus/api/v1/series?match[]={le="5"}&match[]={response_code="503",cluster="east"}',
        )
      ).body.data,
    ).toHaveLength(4)
    expect((await mesh.send('GET', '/prometheus/api/v1/metadata')).body).toMatchObject({
      data: {
        istio_requests_total: [{ type: 'counter' }],
        istio_request_duration_milliseconds: [{ type: 'histogram' }],
      },
    })
    expect((await mesh.send('GET', '/prometheus/api/v1/status/buildinfo')).status).toBe(200)
  })

  test('says what is wrong with a query in the words of Prometheus, and nothing of another org’s meshes', async () => {
    const mesh = await createTestMesh()
    const path = '/prometheus/api/v1'
    for (const [query, error] of [
      ['query=deriv(x[5m])', 'the function deriv is not supported'],
      ['query=x&time=tomorrow', '"tomorrow" is not a time'],
    ]) {
      const answer = await mesh.send('GET', `${path}/query?${query}`)
      expect(answer).toMatchObject({ status: 422, body: { status: 'error', errorType: 'bad_data', error } })
    }
    expect(await mesh.send('GET', `${path}/query_range?query=1&start=1&end=2&step=0`)).toMatchObject({ status: 422 })
    expect(await mesh.send('GET', `${path}/query`)).toMatchObject({ status: 400 })
    const { secret } = await makeToken({ role: 'viewer', scopes: { mesh: 'other' } })
    for (const rest of [`${path}/query?query=1`, `${path}/labels`, `${path}/status/buildinfo`, '/metrics/federate'])
      expect(await send('GET', `/v1/meshes/${mesh.name}${rest}`, { token: secret })).toMatchObject({ status: 404 })
  })

  test('has counters to scrape that only rise: batches that wait are in them, and nothing is counted twice', async () => {
    const mesh = await createTestMesh()
    const east = await joinMetricsCluster(mesh, 'east')
    const now = Date.now()
    const count = (value: number, code = '200') => ({
      name: 'istio_requests_total',
      labels: { response_code: code, path: 'a"b\\c\nd' },
      untilMs: now,
      value,
    })
    const seen: string[][] = []
    const look = async () => seen.push(await scrape(mesh, '?match[]=istio_requests_total'))
    await east.send([count(3)])
    await look()
    await east.rollUpAt(now + 6 * MINUTE)
    await look()
    await east.send([count(3)])
    await east.send([count(4), count(1, '503')])
    await look()
    await east.rollUpAt(now + 12 * MINUTE)
    await look()
    const line = (code: string, value: number) =>
      String.raw`istio_requests_total{path="a\"b\\c\nd",response_code="${code}",cluster="east"} ${value}`
    const head = ['atoll_rollups_up{cluster="east"} 1', 'atoll_rollups_folded_points_total{cluster="east"} 0']
    const [first, second] = [
      [...head, line('200', 3)],
      [...head, line('200', 7), line('503', 1)],
    ]
    expect(seen).toEqual([first, first, second, second])

    await east.send([{ name: 'bytes', labels: {}, untilMs: now, histogram: { bounds: [1], counts: [2, 1], sum: 7.5 } }])
    expect((await scrape(mesh, '?match[]={__name__=~"bytes.*"}')).slice(2)).toEqual([
      'bytes_bucket{cluster="east",le="1"} 2',
      'bytes_bucket{cluster="east",le="+Inf"} 3',
      'bytes_sum{cluster="east"} 7.5',
      'bytes_count{cluster="east"} 3',
    ])
    expect(await mesh.send('GET', '/metrics/federate?match[]=sum(x)')).toMatchObject({ status: 400 })
  })
})
