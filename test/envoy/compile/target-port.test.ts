import { afterEach, beforeAll, expect, test } from 'vitest'
import { eventually } from '#test/harness/child.ts'
import type { ProxyReply } from '#test/harness/proxy-request.ts'
import { clientAddress, gatewayAddress, get, serverAddress, Theatre, withEndpoints } from './theatre.ts'

let theatre: Theatre
beforeAll(async () => {
  theatre = await Theatre.open()
})
afterEach(() => theatre.clear())

const gatewayPort = 15443

/** `reviews` of cluster west, behind its gateway. */
const westernScene = (targetPort: number) => `
about: ''
settings: {meshConfig: {proxyHttpPort: 0}}
clusters:
  west: {network: network-2}
services:
  - host: reviews
    ports: [http:80]
    endpoints:
      server-1: {cluster: west, network: network-2, address: ${serverAddress}, ports: {http: ${targetPort}}}
workloads:
  server-1: {address: ${serverAddress}, network: network-2}
  gateway-1: {address: ${gatewayAddress}, network: network-2, ports: {tls: ${gatewayPort}}}
proxies: [sidecar/default/server-1, east-west-gateway/default/gateway-1]
`

/** The same seen from cluster east. */
const easternScene = `
about: ''
clusters:
  west: {network: network-2, gateways: [{address: ${gatewayAddress}, port: ${gatewayPort}}]}
services:
  - host: reviews
    ports: [http:80]
    remote: {west: [{weight: 1, serviceAccounts: [default]}]}
workloads:
  client-1: {address: ${clientAddress}}
proxies: [sidecar/default/client-1]
`

/** As documented for users, and longer than an HTTP/2 connection takes to drain. */
const drainSeconds = 10

test('no request is lost while a service moves to another port of its application', async () => {
  const before = await theatre.startApp('before')
  const after = await theatre.startApp('after')
  const west = await theatre.start(westernScene(before.port), { member: theatre.west, drainSeconds })
  await theatre.start(easternScene)

  const failures: ProxyReply[] = []
  let isOver = false
  const call = async (): Promise<void> => {
    while (!isOver) {
      const reply = await get('http://reviews/')
      if (reply.status !== 200) failures.push(reply)
    }
  }
  const callers = Promise.all([call(), call(), call(), call()])
  await eventually('requests are answered', () => before.requests > 100)
  expect(await west.change(...withEndpoints(west.scene.changes, { ports: { http: after.port } }))).toEqual([])
  await eventually('the old connections are gone', async () => {
    const [old, current] = [before.requests, after.requests]
    await eventually('more requests', () => before.requests + after.requests > old + current + 200)
    return before.requests === old
  })
  isOver = true
  await callers
  expect(failures).toEqual([])
})
