import { createServer } from 'node:http'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { eventually } from '#test/harness/child.ts'
import { clientAddress, get, getEcho, post, serverAddress, Theatre, withEndpoints } from './theatre.ts'

// Endpoints and applications that end while there are requests.
let theatre: Theatre
beforeAll(async () => {
  theatre = await Theatre.open()
})
afterEach(() => theatre.clear())

const answerers = async (count: number): Promise<Set<string>> => {
  const seen = new Set<string>()
  for (let request = 0; request < count; request++) seen.add((await getEcho('http://reviews/')).app)
  return seen
}

test('endpoints that are ending get nothing while another is healthy, and go on where none is', async () => {
  const apps = await Promise.all(['healthy', 'ending', 'ending', 'ending'].map((name) => theatre.startApp(name)))
  const endpoints = apps.map(({ app, port }, at) => {
    const health = app === 'ending' ? 'draining' : app
    return `      at-${at}: {ports: {p: ${port}}, address: 127.0.0.1, tls: none, health: ${health}}`
  })
  const stage = await theatre.start(`
about: ''
services:
  - host: reviews
    ports: ['p:80:http']
    endpoints:
${endpoints.join('\n')}
workloads:
  client-1: {address: ${clientAddress}}
proxies: [sidecar/default/client-1]
`)
  expect(await answerers(20)).toEqual(new Set(['healthy']))
  expect(await stage.change(...withEndpoints(stage.scene.changes, { health: 'draining' }))).toEqual([])
  await eventually('those that are ending are asked', async () => (await answerers(10)).has('ending'))
})

test('a request to an application that has ended is asked of another, and no client sees how', async () => {
  const [gone, there] = [await theatre.startApp('gone'), await theatre.startApp('there')]
  await theatre.start(`
about: ''
services:
  - host: reviews
    ports: ['p:80:http']
    endpoints:
      server-1: {ports: {p: ${gone.port}}, address: ${serverAddress}}
      server-2: {ports: {p: ${there.port}}, address: 127.0.0.1, tls: none}
workloads:
  client-1: {address: ${clientAddress}}
  server-1: {address: ${serverAddress}}
proxies: [sidecar/default/client-1, sidecar/default/server-1]
`)
  expect(await answerers(20)).toEqual(new Set(['gone', 'there']))
  await gone.stop()
  expect(await answerers(20)).toEqual(new Set(['there']))
  await there.stop()
  const { status, headers } = await get('http://reviews/')
  expect(status).toBe(503)
  expect(headers).not.toHaveProperty('x-atoll-undelivered')
})

test('an application cannot say that it has seen nothing of a request', async () => {
  const asked: string[] = []
  const application = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    response.writeHead(503, { 'x-atoll-undelivered': '1' }).end('done')
  })
  const port = await theatre.listen(application)
  await theatre.start(`
about: ''
services:
  - host: orders
    ports: ['p:80:http']
    endpoints:
      server-1: {ports: {p: ${port}}, address: ${serverAddress}}
workloads:
  client-1: {address: ${clientAddress}}
  server-1: {address: ${serverAddress}}
proxies: [sidecar/default/client-1, sidecar/default/server-1]
`)
  const ordered = await post('http://orders/order')
  expect(ordered).toMatchObject({ status: 503, body: 'done' })
  expect(asked).toEqual(['POST /order'])
  expect(ordered.headers).not.toHaveProperty('x-atoll-undelivered')
  const unknown = await post(`http://127.0.0.1:${port}/unknown`)
  expect(unknown).toMatchObject({ status: 503, body: 'done' })
  expect(unknown.headers).not.toHaveProperty('x-atoll-undelivered')
  expect(asked).toEqual(['POST /order', 'POST /unknown'])
})
