import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { Child, eventually } from '#test/harness/child.ts'
import { findSilentMetrics, prometheusPath, toPrometheusQuery, type PrometheusQuery } from '#test/harness/prometheus.ts'
import { requestThroughProxy } from '#test/harness/proxy-request.ts'
import { createMeter } from './create-meter.ts'
import { ScriptedApp } from './scripted-app.ts'
import { clientAddress, get, serverAddress, stageNetwork, Theatre } from './theatre.ts'

let theatre: Theatre
beforeAll(async () => {
  theatre = await Theatre.open()
})
afterEach(() => theatre.clear())

/** A Prometheus that scrapes this text every second, and what it answers to a query. */
const startPrometheus = async (toText: () => string) => {
  const target = await theatre.listen(
    createHttpServer((_request, response) => {
      response.setHeader('content-type', 'text/plain; version=0.0.4')
      response.end(toText())
    }),
  )
  const directory = mkdtempSync(join(tmpdir(), 'atoll-prometheus-'))
  theatre.onClear(() => rmSync(directory, { recursive: true, force: true }))
  mkdirSync(join(directory, 'data'))
  writeFileSync(
    join(directory, 'prometheus.yml'),
    `global: {scrape_interval: 1s}
scrape_configs: [{job_name: agent, static_configs: [{targets: ['127.0.0.1:${target}']}]}]
`,
  )
  const address = `${stageNetwork}.90:9090`
  const child = new Child({
    name: 'prometheus',
    command: prometheusPath ?? '',
    args: [
      `--config.file=${join(directory, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=${address}`,
      '--log.level=warn',
    ],
    cwd: directory,
  })
  theatre.onClear(() => child.stop())
  const query = toPrometheusQuery(`http://${address}`)
  await eventually('Prometheus answers', () => query('vector(1)').then(({ length }) => length === 1))
  return query
}

/** What Istio's dashboards ask, in their words; a range of theirs is ${'`range`'} here. With $ISTIO, a clone of Istio's, theirs themselves. */
const range = '10s'
const questions = [
  `round(sum(rate(istio_requests_total{reporter=~"source|waypoint"}[${range}])), 0.01)`,
  `sum(rate(istio_requests_total{reporter=~"source|waypoint",response_code!~"5.."}[${range}])) / sum(rate(istio_requests_total{reporter=~"source|waypoint"}[${range}]))`,
  `label_join(histogram_quantile(0.9, sum by (le,destination_workload,destination_workload_namespace) (rate(istio_request_duration_milliseconds_bucket{reporter=~"source|waypoint"}[${range}]))), "destination_workload_var", ".", "destination_workload", "destination_workload_namespace")`,
  `histogram_quantile(0.95, sum(irate(istio_response_bytes_bucket{reporter="destination", connection_security_policy="mutual_tls", destination_service="reviews.default.svc.cluster.local", destination_workload=~".*", destination_workload_namespace=~".*"}[${range}])) by (destination_workload, destination_workload_namespace, le))`,
  `round(sum(irate(istio_requests_total{reporter="destination", connection_security_policy!="mutual_tls", destination_service="reviews.default.svc.cluster.local"}[${range}])) by (response_code), 0.001)`,
  `round(sum(irate(istio_requests_total{destination_principal=~"spiffe.*", source_workload_namespace=~"default", source_workload=~"front", reporter="source", destination_service=~".*"}[${range}])) by (destination_service, response_code), 0.001)`,
  `round(sum(irate(istio_tcp_received_bytes_total{reporter="destination", connection_security_policy="mutual_tls"}[${range}])) by (destination_workload, destination_workload_namespace), 0.001)`,
]

test.skipIf(prometheusPath === undefined)(
  'a Prometheus that scrapes an agent has every standard metric, and answers what dashboards ask',
  async () => {
    const app = new ScriptedApp('reviews')
    const http = await theatre.listen(app.server)
    const tcp = await theatre.listen(createServer((socket) => socket.on('error', () => {}).pipe(socket)))
    const { meter, methods, attach } = createMeter(theatre)
    const stage = await theatre.start(
      `
about: ''
settings: {inboundMtls: permissive}
services:
  - host: reviews
    ports: [http:80, tcp:81]
    endpoints:
      server-1: {address: ${serverAddress}, ports: {http: ${http}, tcp: ${tcp}}}
workloads:
  server-1: {address: ${serverAddress}, controller: reviews-v2, labels: {app: reviews, version: v2}}
  client-1: {address: ${clientAddress}, controller: front, labels: {app: front}}
config:
  - apiVersion: networking.istio.io/v1
    kind: Sidecar
    metadata: {name: default, namespace: default}
    spec: {workloadSelector: {labels: {app: front}}, egress: [{port: {number: 81, protocol: TCP, name: tcp}, hosts: [./*]}, {hosts: [./*]}]}
proxies: [sidecar/default/client-1, sidecar/default/server-1]
`,
      { methods },
    )
    attach(stage)
    const query = await startPrometheus(() => [...meter.toText()].join(''))
    const isOver = { yet: false }
    const traffic = (async () => {
      for (let index = 0; !isOver.yet; index++) {
        await get('http://reviews/', { 'x-answers': index % 5 === 4 ? '503' : '200', 'x-id': String(index) })
        await requestThroughProxy({ host: serverAddress, port: http }, 'http://reviews/', {})
        for (const port of [clientAddress, serverAddress]) {
          const socket = await theatre.dial(port, port === clientAddress ? 81 : tcp)
          socket.end('hello')
          await new Promise((resolve) => socket.once('close', resolve).resume())
        }
      }
    })()
    const missing = () => findSilentMetrics(query, { range, traffic: ['http', 'tcp'] })
    await eventually(
      'every standard metric rises at both sides',
      async () => (await missing()).length === 0,
      30_000,
    ).catch(() => {})
    const answers = await Promise.all(questions.map((text) => query(text)))
    const unanswered = questions.filter((_, index) => !answers[index]?.some((value) => value > 0))
    const left = await missing()
    if (dashboards) await askDashboards(query)
    isOver.yet = true
    await traffic
    expect({ left, unanswered }).toEqual({ left: [], unanswered: [] })
  },
)

/** Istio's own. Callers do not tell `mutual_tls` as their security policy, as in Istio: what asks for that is empty. */
const dashboards = process.env['ISTIO'] && join(process.env['ISTIO'], 'manifests/addons/dashboards')

const variables: Readonly<Record<string, string>> = {
  $__rate_interval: range,
  $qrep: 'source|waypoint',
  $service: 'reviews.default.svc.cluster.local',
  $srcwl: '.*',
  $srcns: '.*',
  $dstwl: '.*',
  $dstns: '.*',
  $dstsvc: '.*',
  $namespace: 'default',
  $workload: 'reviews-v2|front',
  $adapter: '.*',
}

const askDashboards = async (query: PrometheusQuery): Promise<void> => {
  for (const file of readdirSync(dashboards ?? '').filter((name) =>
    /^istio-(mesh|service|workload)-dashboard/.test(name),
  )) {
    const asked = [...new Set(findExpressions(JSON.parse(readFileSync(join(dashboards ?? '', file), 'utf8'))))]
    const empty: string[] = []
    for (const expression of asked) {
      const text = Object.entries(variables).reduce((all, [name, value]) => all.replaceAll(name, value), expression)
      if ((await query(text)).length === 0) empty.push(text)
    }
    process.stderr.write(
      `${file}: ${asked.length - empty.length} of ${asked.length} queries return data\n${empty.join('\n')}\n`,
    )
  }
}

const findExpressions = (value: unknown): string[] => {
  if (typeof value !== 'object' || value === null) return []
  const own = 'expr' in value && typeof value.expr === 'string' ? [value.expr] : []
  return [...own, ...Object.values(value).flatMap(findExpressions)]
}
