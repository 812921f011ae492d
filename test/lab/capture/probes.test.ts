import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ProbeRoutes } from '#mesh/injection/probe-routes.ts'
import { eventually } from '#test/harness/child.ts'
import { CapturedPods, clientAddress, serverAddress } from './captured-pods.ts'
import { latePorts, type LateApp } from './errand.ts'

const timing = { timeoutSeconds: 1, periodSeconds: 1 }
const probes: ProbeRoutes = {
  '/app-health/web/readyz': { httpGet: { port: latePorts.http, path: '/ready?deep=1', scheme: 'HTTP' } },
  '/app-health/web/livez': { httpGet: { port: latePorts.http, path: '/moved', scheme: 'HTTP' } },
  '/app-health/secure/readyz': { httpGet: { port: latePorts.https, path: '/ready', scheme: 'HTTPS' } },
  '/app-health/db/readyz': { tcpSocket: { port: latePorts.tcp }, ...timing },
  '/app-health/rpc/readyz': { grpc: { port: latePorts.grpc, service: 'shop.Cart' }, ...timing },
}

let pods: CapturedPods
beforeAll(async () => {
  pods = await CapturedPods.start({ probes, scrapeTarget: { port: latePorts.http, path: '/metrics' } })
})
afterAll(() => pods.stop())

/** As the kubelet asks: from outside, without a certificate. */
const ask = (path: string) => pods.outside.get(`http://${serverAddress}:15021${path}`)
const untilAnswered = (path: string, status: number) =>
  eventually(`${path} is answered ${status}`, async () => (await ask(path)).status === status)

test.each<[LateApp, string]>([
  ['http', '/app-health/web/readyz'],
  ['https', '/app-health/secure/readyz'],
  ['tcp', '/app-health/db/readyz'],
  ['grpc', '/app-health/rpc/readyz'],
])('a probe by %s follows the application, not the proxy', async (app, path) => {
  expect(await ask(path)).toMatchObject({ status: 503 })
  await pods.server.serve(app)
  await untilAnswered(path, 200)
  await pods.server.end(app)
  await untilAnswered(path, 503)
})

describe('an application that is there', () => {
  beforeAll(() => pods.server.serve('http'))

  test('an HTTP probe asks what it was written for, and nobody can have it ask anything else', async () => {
    const { body } = await ask('/app-health/web/readyz')
    expect(JSON.parse(body)).toEqual({ url: '/ready?deep=1', method: 'GET', remoteAddress: '127.0.0.6' })
    const paths = ['/readyz?other=1', '/readyz/other', '/startupz'].map((path) => `/app-health/web${path}`)
    const answers = await Promise.all(['/', ...paths].map(ask))
    expect(answers.map(({ status }) => status)).toEqual([404, 404, 404, 404])
    const say = await pods.outside.open(serverAddress, 15_021)
    const post = 'POST /app-health/web/readyz HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n'
    expect(await say(post)).toMatch(/^HTTP\/1\.1 404 /)
    expect(await pods.outside.ask(serverAddress, latePorts.http, 'GET / HTTP/1.1\r\nhost: x\r\n\r\n')).toBe('')
  })

  test('who has no certificate scrapes its metrics, and nothing else of it, where mutual TLS is strict', async () => {
    const { status, body } = await pods.outside.get(`http://${serverAddress}:15020/stats/prometheus`)
    expect([status, JSON.parse(body)]).toEqual([200, { url: '/metrics', method: 'GET', remoteAddress: '127.0.0.6' }])
    expect(await pods.outside.get(`http://${serverAddress}:15020/`)).toMatchObject({ status: 404 })
    expect(await pods.outside.get(`http://${serverAddress}:${latePorts.http}/metrics`)).toMatchObject({ status: 0 })
    await expect(pods.outside.open(clientAddress, 15_020)).rejects.toThrow('ECONNREFUSED')
  })

  test('a redirect is an answer: it leads nowhere', async () => {
    const say = await pods.outside.open(serverAddress, 15_021)
    const answer = await say('GET /app-health/web/livez HTTP/1.1\r\nhost: x\r\n\r\n')
    expect(answer).toMatch(/^HTTP\/1\.1 302 /)
    expect(answer).not.toMatch(/location/i)
  })
})
