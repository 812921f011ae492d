import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { configObject, objectKeyOf } from '#mesh/config-object.ts'
import type { ViewChange } from '#mesh/view.ts'
import { eventually } from '#test/harness/child.ts'
import { requestThroughProxy, type ProxyReply } from '#test/harness/proxy-request.ts'
import type { Proxy } from '#xds/proxy.ts'
import type { Stage } from './stage.ts'
import { proxyPort, Theatre } from './theatre.ts'

/** Loopback addresses that no other test uses. */
const clientAddress = '127.0.118.1'
const newAddress = '127.0.118.2'
const serverAddress = '127.0.118.3'

const newcomer: Proxy = { role: 'sidecar', namespace: 'default', serviceAccount: 'default', workload: 'new-1' }

const toFilter = (value: string): string => `
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: guard, namespace: default}
spec:
  workloadSelector: {labels: {app: client}}
  configPatches:
    - applyTo: HTTP_FILTER
      match: {context: SIDECAR_OUTBOUND, listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager}}}}
      patch: {operation: INSERT_FIRST, value: ${value}}
`
const toLua = (header: string): string =>
  `{name: lua, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua, default_source_code: {inline_string: "function envoy_on_response(handle) handle:headers():add('${header}', 'yes') end"}}}`
/** Of a version of the API that no agent reads. */
const unreadable =
  "{name: lua, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.lua.v2.Lua, inline_code: ''}}"

const toChange = (yaml: string): ViewChange => {
  const value = configObject.parse(parse(yaml))
  return { kind: 'config', origin: 'mesh', key: objectKeyOf(value), value }
}

const toRoute = (status: number): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: fixed, namespace: default}
spec: {hosts: [fixed.example.org], http: [{directResponse: {status: ${status}}}]}
`

const scene = (port: number) => `
about: ''
settings: {meshConfig: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}}
services:
  - {host: reviews, ports: [http:80], endpoints: {server-1: {address: ${serverAddress}, ports: {http: ${port}}}}}
  - {host: former, ports: [http:80], endpoints: {server-1: {address: ${serverAddress}, ports: {http: ${port}}}}}
workloads:
  client-1: {address: ${clientAddress}, labels: {app: client}}
  new-1: {address: ${newAddress}, labels: {app: client}}
  server-1: {address: ${serverAddress}, labels: {app: server}}
proxies: [sidecar/default/client-1, sidecar/default/server-1]
`

let theatre: Theatre
let stage: Stage
beforeAll(async () => {
  theatre = await Theatre.open()
  const { port } = await theatre.startApp('reviews')
  stage = await theatre.start(scene(port))
})
afterAll(() => theatre.clear())

const ask = (host: string, address: string = clientAddress): Promise<ProxyReply> =>
  requestThroughProxy({ host: address, port: proxyPort }, `http://${host}/`)

test('a proxy that an EnvoyFilter blocks keeps what it has over a new agent, a new one is closed, and both get what is mended', async () => {
  expect(await stage.change(toChange(toFilter(toLua('x-kept'))), toChange(toRoute(207)))).toEqual([])
  await eventually('it is in force', async () => (await ask('reviews')).headers['x-kept'] === 'yes')

  const [former] = stage.scene.store.servicesByHostname('former.default.svc.cluster.local')
  if (!former) throw new Error('no service')
  const gone: ViewChange = { kind: 'catalog', cluster: stage.scene.store.localCluster, service: former, value: null }
  await stage.change(toChange(toFilter(unreadable)))
  const blocked = [expect.stringMatching(/^sidecar\/default\/client-1 waits for .*: EnvoyFilter\/default\/guard: /)]
  expect(await stage.restartAgent()).toEqual(blocked)
  expect(await stage.change(gone, toChange(toRoute(208)))).toEqual(blocked)
  for (const host of ['reviews', 'former'])
    expect(await ask(host)).toMatchObject({ status: 200, headers: { 'x-kept': 'yes' } })
  expect((await ask('fixed.example.org')).status).toBe(207)

  await stage.add(newcomer)
  await expect(ask('reviews', newAddress)).rejects.toThrow('ECONNREFUSED')

  expect(await stage.change(toChange(toFilter(toLua('x-mended'))))).toEqual([])
  for (const address of [clientAddress, newAddress]) {
    await eventually('it is in force', async () => (await ask('reviews', address)).headers['x-mended'] === 'yes')
    expect((await ask('reviews', address)).headers['x-kept']).toBeUndefined()
    expect((await ask('fixed.example.org', address)).status).toBe(208)
    expect((await ask('former', address)).status).toBe(502)
  }
})
