import { once } from 'node:events'
import { createServer, request, type RequestListener } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { createMeter } from './create-meter.ts'
import { serverAddress, Theatre } from './theatre.ts'

let theatre: Theatre
beforeAll(async () => {
  theatre = await Theatre.open()
})
afterEach(() => theatre.clear())

/** An application of the workload, where Prometheus would find it without a proxy. */
const startApp = async (answer: RequestListener): Promise<number> => {
  const server = createServer(answer).listen(0, serverAddress)
  await once(server, 'listening')
  theatre.onClear(() => new Promise((resolve) => server.close(resolve)))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

const startSidecar = async (scrapeTarget: object) => {
  const counting = createMeter(theatre)
  const stage = await theatre.start(
    `
about: ''
services: []
workloads:
  server-1: {address: ${serverAddress}, capture: transparent, scrapeTarget: ${JSON.stringify(scrapeTarget)}}
proxies: [sidecar/default/server-1]
`,
    { methods: counting.methods },
  )
  counting.attach(stage)
  return counting.meter
}

const scrape = (path: string, headers: Readonly<Record<string, string>> = {}, method = 'GET') =>
  new Promise<{ readonly status: number | undefined; readonly type: string | undefined; readonly body: string }>(
    (resolve, reject) => {
      const options = { host: serverAddress, port: 15_020, path, headers, method, agent: false }
      const outgoing = request(options, (incoming) => {
        let body = ''
        incoming.setEncoding('utf8')
        incoming.on('data', (text: string) => (body += text))
        incoming.on('end', () => resolve({ status: incoming.statusCode, type: incoming.headers['content-type'], body }))
      })
      outgoing.on('error', reject).end()
    },
  )

test('a scrape gets what the application says, in its format, and asks it what Prometheus asked', async () => {
  const seen: { readonly url?: string; readonly headers: object }[] = []
  const type = 'application/openmetrics-text; version=1.0.0; charset=utf-8'
  const metrics = `${'orders_total{shop="a"} 7\n'.repeat(20_000)}# EOF\n`
  const port = await startApp(({ url = '', headers }, response) => {
    seen.push({ url, headers })
    response.writeHead(200, { 'content-type': type }).end(metrics)
  })
  const meter = await startSidecar({ port, path: '/app/metrics?all=1' })
  const headers = { accept: 'application/openmetrics-text', 'x-prometheus-scrape-timeout-seconds': '10' }
  expect(await scrape('/stats/prometheus', headers)).toEqual({ status: 200, type, body: metrics })
  expect(seen).toEqual([
    { url: '/app/metrics?all=1', headers: expect.objectContaining({ ...headers, host: `${serverAddress}:${port}` }) },
  ])

  const others: readonly [path: string, method?: string][] = [
    ['/'],
    ['/app/metrics'],
    ['/stats/prometheus/x'],
    ['/stats/prometheus?all=0'],
    ['/healthz/ready'],
    ['/stats/prometheus', 'POST'],
    ['/stats/prometheus', 'DELETE'],
  ]
  for (const [path, method] of others) expect([path, (await scrape(path, {}, method)).status]).toEqual([path, 404])
  expect(seen).toHaveLength(1)

  await sleep(1000)
  expect([...meter.toText()].join('')).not.toContain('server-1')
  expect([...meter.toText()].join('')).not.toMatch(/^istio_requests_total\{/m)
})

test('a scrape of an application that is not there, or answers an error, fails as such', async () => {
  const port = await startApp((_, response) => response.writeHead(500).end('no'))
  await startSidecar({ port, path: '/metrics' })
  expect(await scrape('/stats/prometheus')).toMatchObject({ status: 500, body: 'no' })
  await theatre.clear()
  await startSidecar({ port: 1, path: '/metrics' })
  expect(await scrape('/stats/prometheus')).toMatchObject({ status: 503 })
})
