import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { evaluateQuery } from '#worker/promql/evaluate.ts'
import { METRIC_NAME, toLabelKey, toLabelTest } from '#worker/promql/labels.ts'
import { parseQuery } from '#worker/promql/parse-query.ts'
import type { Series } from '#worker/promql/series.ts'
import { toCounterSeries, toSampledSeries } from '#worker/promql/series.ts'
import type { QueryData } from '#worker/promql/to-response.ts'
import { toRangeData } from '#worker/promql/to-response.ts'
import { findProgram } from '../../../scripts/find-program.mjs'
import { Child } from '../../harness/child.ts'

/** Debian has both in "prometheus". */
const prometheus = findProgram('prometheus')
const promtool = findProgram('promtool')
const address = '127.0.78.90:19090'

const beganMs = Date.UTC(2026, 0, 5, 8)
const everyMs = 10_000
const samplesOfEach = 240
const bounds = ['1', '5', '10', '50', '+Inf']

/** The same numbers every time: 0 ≤ x < 1. */
const toNumbers = (seed: number) => () => {
  seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
  return seed / 2 ** 31
}

const toCounter = (next: () => number, from: number, until: number, isReset = false) => {
  const times: number[] = []
  const values: number[] = []
  let total = 5000 * next()
  for (let index = from; index < until; index++) {
    total = isReset && index === 120 ? 3 : total + next() * 20
    times.push(beganMs + index * everyMs)
    values.push(total)
  }
  return { times, values }
}

/** Counters, one of which begins anew, some for a part of the time; buckets; a gauge with NaN. */
const toFixture = (): Series[] => {
  const next = toNumbers(7)
  const series: Series[] = []
  const add = (labels: Record<string, string>, samples: { times: number[]; values: number[] }) =>
    series.push(toSampledSeries(new Map(Object.entries(labels)), samples))
  const calls = ['productpage', 'reviews', 'ratings'].flatMap((service) =>
    ['source', 'destination'].flatMap((reporter) =>
      ['200', '404', '503'].map((response_code) => ({
        [METRIC_NAME]: 'istio_requests_total',
        reporter,
        response_code,
        destination_service: `${service}.default.svc.cluster.local`,
        destination_workload: `${service}-v1`,
        connection_security_policy: reporter === 'source' ? 'unknown' : 'mutual_tls',
      })),
    ),
  )
  for (const [index, labels] of calls.entries()) {
    add(labels, toCounter(next, index === 3 ? 60 : 0, index === 5 ? 90 : samplesOfEach, index === 8))
  }
  for (const service of ['reviews', 'ratings']) {
    const counters = bounds.map(() => toCounter(next, 0, samplesOfEach))
    for (const [index, le] of bounds.entries()) {
      const values = counters[0]?.values.map((_, sample) =>
        counters.slice(0, index + 1).reduce((sum, counter) => sum + (counter.values[sample] ?? 0), 0),
      )
      const labels = { reporter: 'destination', destination_workload: `${service}-v1`, le }
      add(
        { [METRIC_NAME]: 'istio_request_duration_milliseconds_bucket', ...labels },
        { times: counters[0]?.times ?? [], values: values ?? [] },
      )
    }
  }
  for (const [name, from, until] of [
    ['steady_total', 0, samplesOfEach],
    ['begins_total', 100, 110],
  ] as const) {
    const times = Array.from({ length: samplesOfEach - from }, (_, index) => beganMs + (from + index) * everyMs)
    add({ [METRIC_NAME]: name }, { times, values: times.map((_, index) => 10 * Math.min(index + 1, until - from)) })
  }
  const gauge = toCounter(next, 0, samplesOfEach)
  add(
    { [METRIC_NAME]: 'load', host: 'a.b' },
    { ...gauge, values: gauge.values.map((_, index) => (index % 50 === 7 ? Number.NaN : Math.sin(index) * 100 - 20)) },
  )
  return series
}

const queries = `
istio_requests_total
istio_requests_total{response_code=~"5..", reporter!="source"}
{__name__=~"istio_requests_.*", destination_workload!~"r.*"}
rate(istio_requests_total[1m])
increase(istio_requests_total{reporter="source"}[5m])
irate(istio_requests_total[1m])
irate(istio_requests_total[15s])
delta(load[2m])
idelta(load[1m])
changes(load[3m])
resets(istio_requests_total[10m])
sum_over_time(load[90s]) + avg_over_time(load[90s])
min_over_time(load[2m]) - max_over_time(load[2m])
count_over_time(istio_requests_total[7m])
last_over_time(load[1m])
present_over_time(istio_requests_total[1m])
rate(istio_requests_total[1m] offset 10m)
istio_requests_total offset -1m
round(sum(rate(istio_requests_total{reporter=~"source|waypoint"}[1m])), 0.01)
round(sum(irate(istio_requests_total{reporter="destination",destination_service=~"rev.*"}[1m])) by (destination_workload, response_code), 0.001)
round(sum(rate(istio_requests_total{reporter="source",response_code=~"5.."}[1m])), 0.01) or vector(0)
sum(rate(istio_requests_total{reporter="none"}[1m])) or vector(0)
sum(irate(istio_requests_total{reporter="destination",response_code!~"5.*"}[1m])) / sum(irate(istio_requests_total{reporter="destination"}[1m]))
label_join(sum by (destination_workload) (rate(istio_requests_total{response_code!~"5.."}[1m])) / sum by (destination_workload) (rate(istio_requests_total[1m])), "workload_var", ".", "destination_workload", "destination_workload")
(histogram_quantile(0.50, sum(irate(istio_request_duration_milliseconds_bucket{reporter="destination"}[1m])) by (le)) / 1000) or histogram_quantile(0.50, sum(irate(istio_request_duration_seconds_bucket[1m])) by (le))
histogram_quantile(0.99, sum(rate(istio_request_duration_milliseconds_bucket[5m])) by (destination_workload, le))
histogram_quantile(2, istio_request_duration_milliseconds_bucket)
histogram_quantile(-1, rate(istio_request_duration_milliseconds_bucket[5m]))
histogram_quantile(0.5, istio_request_duration_milliseconds_bucket{le!="+Inf"})
sum without (response_code, destination_service) (istio_requests_total)
avg by (reporter) (istio_requests_total)
min(istio_requests_total) by (destination_workload) + max(istio_requests_total) by (destination_workload)
count by (response_code) (istio_requests_total) * group by (response_code) (istio_requests_total)
stddev by (reporter) (rate(istio_requests_total[2m]))
stdvar(load) or quantile(0.3, istio_requests_total)
topk(2, sum by (destination_workload) (rate(istio_requests_total[1m])))
bottomk by (reporter) (1, increase(istio_requests_total[2m]))
quantile by (reporter) (0.9, rate(istio_requests_total[1m]))
max(load) or min(load)
istio_requests_total > 4000
istio_requests_total >= bool 4000
3000 < istio_requests_total
rate(istio_requests_total{reporter="source"}[1m]) / ignoring (reporter, connection_security_policy) rate(istio_requests_total{reporter="destination"}[1m])
rate(istio_requests_total{reporter="source"}[2m]) > on (destination_workload, response_code) rate(istio_requests_total{reporter="destination"}[2m])
rate(istio_requests_total[1m]) / on (destination_workload) group_left sum by (destination_workload) (rate(istio_requests_total[1m]))
sum by (destination_workload, reporter) (istio_requests_total{reporter="destination"}) * on (destination_workload) group_right (reporter) istio_requests_total{reporter="source"}
sum by (reporter) (istio_requests_total) < bool on (reporter) group_right istio_requests_total
istio_requests_total{response_code="503"} and on (destination_workload) istio_request_duration_milliseconds_bucket{le="1"}
istio_requests_total unless on (destination_workload) istio_request_duration_milliseconds_bucket
sum(istio_requests_total{response_code="200"}) by (reporter) or sum(istio_requests_total) by (reporter, response_code)
label_replace(istio_requests_total, "service", "$1/$2", "destination_service", "([^.]+)\\\\.([^.]+)\\\\..*")
label_replace(istio_requests_total, "service", "\${name}x", "destination_workload", "(?P<name>\\\\w+)-v1")
label_replace(load, "host", "", "host", ".*")
abs(load) + ceil(load) - floor(load) * sgn(load)
exp(load / 100) + ln(abs(load)) + log2(abs(load)) + log10(abs(load)) + sqrt(load)
clamp(load, -10, 30) + clamp_min(load, 0) - clamp_max(load, 5)
round(load) + round(load, 5)
-load ^ 2 % 7
2 ^ 3 ^ 2 - -1 + 0x1F + 1e-1
sum(load) atan2 3
1 == bool 1
vector(time()) - 1
scalar(load) + scalar(istio_requests_total)
absent(nothing{a="b", c=~"d", e="f", e="g"})
absent(load) or absent(istio_requests_total)
count(load == load) or vector(-1)
sum(nothing)
Inf - vector(NaN)
`
  .split('\n')
  .filter((line) => line !== '')

/** Not at the samples' own times: Prometheus 2 has the samples at a range's beginning in it, Prometheus 3 and we have not. */
const range = { startMs: beganMs + 903_000, endMs: beganMs + samplesOfEach * everyMs + 420_000, stepMs: 50_000 }

type Answer = Map<string, readonly [number, number][]>

const toAnswer = (data: QueryData): Answer => {
  if (data.resultType !== 'matrix') throw new Error(data.resultType)
  return new Map(
    data.result.map(({ metric, values }) => [
      toLabelKey(new Map(Object.entries(metric))),
      values.map(([seconds, text]) => [
        seconds,
        text === '+Inf' ? Infinity : text === '-Inf' ? -Infinity : Number(text),
      ]),
    ]),
  )
}

const isNear = (a: number, b: number): boolean =>
  Object.is(a, b) || a === b || Math.abs(a - b) <= 1e-9 * Math.max(Math.abs(a), Math.abs(b), 1e-3)

/** The first place where two answers differ. */
const findDifference = (ours: Answer, theirs: Answer): string | undefined => {
  for (const [labels, values] of theirs) {
    const own = ours.get(labels)
    if (!own) return `no ${labels}`
    if (own.length !== values.length) return `${labels}: ${own.length} samples, not ${values.length}`
    const index = values.findIndex(([seconds, value], at) => {
      const [ownSeconds = 0, ownValue = 0] = own[at] ?? []
      return seconds !== ownSeconds || !isNear(ownValue, value)
    })
    if (index !== -1) return `${labels}: ${String(own[index])}, not ${String(values[index])}`
  }
  const more = [...ours.keys()].find((labels) => !theirs.has(labels))
  return more && `${more} is not there`
}

describe.skipIf(prometheus === undefined || promtool === undefined)('Prometheus (Debian: prometheus)', () => {
  const series = toFixture()
  const directory = mkdtempSync(join(tmpdir(), 'atoll-promql-'))
  let server: Child | undefined

  beforeAll(async () => {
    const byName = Map.groupBy(series, ({ labels }) => labels.get(METRIC_NAME) ?? '')
    const lines = [...byName].flatMap(([name, list]) => [
      `# TYPE ${name} unknown`,
      ...list.flatMap((each) => {
        const { times, values } = each.window(0, Infinity)
        const text = [...each.labels].flatMap(([label, value]) => (label === METRIC_NAME ? [] : `${label}="${value}"`))
        return Array.from(times, (time, index) => `${name}{${text.join(',')}} ${values[index]} ${time / 1000}`)
      }),
    ])
    writeFileSync(join(directory, 'samples'), `${lines.join('\n')}\n# EOF\n`)
    writeFileSync(join(directory, 'prometheus.yml'), '')
    mkdirSync(join(directory, 'data'))
    execFileSync(promtool ?? '', [
      'tsdb',
      'create-blocks-from',
      'openmetrics',
      join(directory, 'samples'),
      join(directory, 'data'),
    ])
    server = new Child({
      name: 'prometheus',
      command: prometheus ?? '',
      args: [
        `--config.file=${directory}/prometheus.yml`,
        `--storage.tsdb.path=${directory}/data`,
        '--storage.tsdb.retention.time=100y',
        `--web.listen-address=${address}`,
      ],
    })
    await server.waitForLine(/Server is ready/)
  })
  afterAll(async () => {
    await server?.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  test('answers the same of a counter that goes on, and less of one that begins, which it has not seen begin', async () => {
    const atMs = beganMs + 120 * everyMs + 3000
    for (const [name, ours, theirs] of [
      ['steady_total', 300, 300],
      ['begins_total', 100, 93.6],
    ] as const) {
      const query = `increase(${name}[5m])`
      const changes = series.find(({ labels }) => labels.get(METRIC_NAME) === name)?.window(0, Infinity)
      const grid = { stepMs: everyMs, sinceMs: beganMs, untilMs: beganMs + samplesOfEach * everyMs }
      const kept = toCounterSeries(new Map(), grid, changes ?? { times: [], values: [] })
      const range = { startMs: atMs, endMs: atMs, stepMs: 1000 }
      const answer = toRangeData(evaluateQuery(parseQuery(query), range, () => [kept]))
      const response = await fetch(`http://${address}/api/v1/query?query=${query}&time=${atMs / 1000}`)
      const body = (await response.json()) as { data: { result: { value: [number, string] }[] } }
      const [own] = [...toAnswer(answer).values()]
      expect([name, own?.[0]?.[1], Number(body.data.result[0]?.value[1])]).toEqual([
        name,
        expect.closeTo(ours),
        expect.closeTo(theirs),
      ])
    }
  })

  test.each(queries)('answers the same to %s', async (query) => {
    const expression = parseQuery(query)
    const ours = evaluateQuery(expression, range, ({ matchers }) => {
      const matches = toLabelTest(matchers)
      return series.filter(({ labels }) => matches(labels))
    })
    const { startMs, endMs, stepMs } = range
    const response = await fetch(`http://${address}/api/v1/query_range`, {
      method: 'POST',
      body: new URLSearchParams({
        query,
        start: String(startMs / 1000),
        end: String(endMs / 1000),
        step: String(stepMs / 1000),
      }),
    })
    const body = (await response.json()) as { error?: string; data: QueryData }
    expect(body.error).toBeUndefined()
    expect(findDifference(toAnswer(toRangeData(ours)), toAnswer(body.data))).toBeUndefined()
  })
})
