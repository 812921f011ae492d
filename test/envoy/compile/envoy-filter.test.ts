import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { configObject, objectKeyOf } from '#mesh/config-object.ts'
import type { ViewChange } from '#mesh/view.ts'
import { eventually } from '#test/harness/child.ts'
import { requestThroughProxy, type ProxyReply } from '#test/harness/proxy-request.ts'
import type { Stage } from './stage.ts'
import { proxyPort, Theatre } from './theatre.ts'

/** Loopback addresses that no other test uses. */
const clientAddress = '127.0.95.1'
const serverAddress = '127.0.95.2'
const gatewayAddress = '127.0.95.3'

const lua = (code: string) =>
  `{name: lua, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua, default_source_code: {inline_string: "${code}"}}}`
const sayLua = (header: string) =>
  lua(`function envoy_on_response(handle) handle:headers():add('${header}', 'yes') end`)
const beforeRouter =
  'listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager, subFilter: {name: envoy.filters.http.router}}}}'

const scene = (port: number) => `
about: ''
services:
  - {host: reviews, ports: [http:9080], endpoints: {server-1: {address: ${serverAddress}, ports: {http: ${port}}}}}
workloads:
  client-1: {address: ${clientAddress}, labels: {app: client}}
  server-1: {address: ${serverAddress}, labels: {app: server}}
  gateway-1: {address: ${gatewayAddress}, labels: {istio: ingressgateway}}
config:
  - apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: front, namespace: default}
    spec: {selector: {istio: ingressgateway, topology.istio.io/cluster: east}, servers: [{port: {number: 8095, name: http, protocol: HTTP}, hosts: ['*']}]}
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: reviews, namespace: default}
    spec:
      hosts: [reviews.default.svc.cluster.local]
      gateways: [front, mesh]
      http:
        - {name: legacy, match: [{uri: {prefix: /legacy}}], directResponse: {status: 410}}
        - {name: main, route: [{destination: {host: reviews.default.svc.cluster.local}}]}
  - apiVersion: networking.istio.io/v1alpha3
    kind: EnvoyFilter
    metadata: {name: everywhere, namespace: atoll-system}
    spec:
      configPatches:
        - {applyTo: HTTP_FILTER, match: {context: SIDECAR_OUTBOUND, ${beforeRouter}}, patch: {operation: INSERT_BEFORE, value: ${sayLua('x-outbound')}}}
        - {applyTo: HTTP_FILTER, match: {context: SIDECAR_INBOUND, ${beforeRouter}}, patch: {operation: INSERT_BEFORE, value: ${sayLua('x-inbound')}}}
        - {applyTo: HTTP_FILTER, match: {context: GATEWAY, ${beforeRouter}}, patch: {operation: INSERT_BEFORE, value: ${sayLua('x-gateway')}}}
  - apiVersion: networking.istio.io/v1alpha3
    kind: EnvoyFilter
    metadata: {name: client, namespace: default}
    spec:
      workloadSelector: {labels: {app: client, topology.istio.io/cluster: east}}
      priority: 10
      configPatches:
        - applyTo: NETWORK_FILTER
          match: {context: SIDECAR_OUTBOUND, listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager}}}}
          patch:
            operation: MERGE
            value:
              typed_config:
                '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                server_name: patched
                stream_idle_timeout: 2m3s
                server_header_transformation: APPEND_IF_ABSENT
        - applyTo: HTTP_FILTER
          match: {context: SIDECAR_OUTBOUND, ${beforeRouter}}
          patch:
            operation: INSERT_FIRST
            value:
              name: passed
              typed_config:
                '@type': type.googleapis.com/envoy.extensions.filters.http.thrift_to_metadata.v3.ThriftToMetadata
                request_rules: [{field: PROTOCOL, on_present: {metadata_namespace: a, key: b}}]
        - {applyTo: CLUSTER, match: {cluster: {service: reviews.default.svc.cluster.local}}, patch: {operation: MERGE, value: {connect_timeout: 1.234s}}}
        - {applyTo: CLUSTER, match: {context: SIDECAR_OUTBOUND}, patch: {operation: ADD, value: {name: added-cluster, type: STATIC, connect_timeout: 1750ms}}}
        - {applyTo: HTTP_ROUTE, match: {context: SIDECAR_OUTBOUND, routeConfiguration: {vhost: {route: {name: main, action: ROUTE}}}}, patch: {operation: MERGE, value: {response_headers_to_add: [{header: {key: x-route, value: 'yes'}}]}}}
        - {applyTo: HTTP_ROUTE, match: {context: SIDECAR_OUTBOUND, routeConfiguration: {vhost: {name: 'reviews.default.svc.cluster.local:9080', route: {name: legacy}}}}, patch: {operation: REMOVE}}
        - {applyTo: VIRTUAL_HOST, match: {context: SIDECAR_OUTBOUND, routeConfiguration: {vhost: {name: 'reviews.default.svc.cluster.local:9080'}}}, patch: {operation: MERGE, value: {response_headers_to_add: [{header: {key: x-host, value: 'yes'}}]}}}
        - {applyTo: VIRTUAL_HOST, match: {context: SIDECAR_OUTBOUND}, patch: {operation: ADD, value: {name: added, domains: [added.example.org], routes: [{match: {prefix: /}, direct_response: {status: 207}}]}}}
  - apiVersion: networking.istio.io/v1alpha3
    kind: EnvoyFilter
    metadata: {name: elsewhere, namespace: default}
    spec:
      workloadSelector: {labels: {app: client, topology.istio.io/cluster: west}}
      configPatches:
        - {applyTo: HTTP_FILTER, match: {context: SIDECAR_OUTBOUND, ${beforeRouter}}, patch: {operation: INSERT_BEFORE, value: ${sayLua('x-elsewhere')}}}
  - apiVersion: networking.istio.io/v1alpha3
    kind: EnvoyFilter
    metadata: {name: front, namespace: default}
    spec:
      workloadSelector: {labels: {istio: ingressgateway}}
      priority: 10
      configPatches:
        - {applyTo: HTTP_ROUTE, match: {context: GATEWAY, routeConfiguration: {name: http.8095, vhost: {name: 'reviews.default.svc.cluster.local:8095', route: {name: legacy}}}}, patch: {operation: INSERT_BEFORE, value: {match: {path: /patched}, direct_response: {status: 208}}}}
proxies: [sidecar/default/client-1, sidecar/default/server-1, gateway/default/gateway-1]
`

let theatre: Theatre
let stage: Stage
beforeAll(async () => {
  theatre = await Theatre.open()
  const app = await theatre.startApp('reviews')
  stage = await theatre.start(scene(app.port))
})
afterAll(() => theatre.clear())

const host = 'reviews.default.svc.cluster.local'
const ofSidecar = (url: string): Promise<ProxyReply> =>
  requestThroughProxy({ host: clientAddress, port: proxyPort }, url, {})
const ofGateway = (path: string): Promise<ProxyReply> =>
  requestThroughProxy({ host: gatewayAddress, port: 8095 }, `http://${host}${path}`, {})

test.each([
  ['a filter of what a sidecar sends', ofSidecar, `http://${host}:9080/`, 200, { 'x-outbound': 'yes' }],
  ['a filter of what a sidecar receives', ofSidecar, `http://${host}:9080/`, 200, { 'x-inbound': 'yes' }],
  ['no filter of another context', ofSidecar, `http://${host}:9080/`, 200, { 'x-gateway': undefined }],
  ["no filter of another cluster's proxies", ofSidecar, `http://${host}:9080/`, 200, { 'x-elsewhere': undefined }],
  ['a filter of a gateway', ofGateway, '/', 200, { 'x-gateway': 'yes', 'x-outbound': undefined }],
  ['a setting of the connection manager', ofSidecar, `http://${host}:9080/`, 200, { server: 'patched' }],
  ['a route', ofSidecar, `http://${host}:9080/`, 200, { 'x-route': 'yes' }],
  ['a virtual host', ofSidecar, `http://${host}:9080/`, 200, { 'x-host': 'yes' }],
  ['a route that is removed', ofSidecar, `http://${host}:9080/legacy`, 200, { 'x-route': 'yes' }],
  ['a virtual host that is added', ofSidecar, 'http://added.example.org/', 207, {}],
  ["a gateway's routes, which stay as they are otherwise", ofGateway, '/legacy', 410, {}],
  ['a route that is put before another one', ofGateway, '/patched', 208, {}],
] as const)('EnvoyFilter: %s', async (_, ask, target, status, headers) => {
  const reply = await ask(target)
  expect(reply.status).toBe(status)
  const said = Object.fromEntries(Object.keys(headers).map((name) => [name, reply.headers[name]]))
  expect(said).toEqual(headers)
})

test('EnvoyFilter: clusters are changed and added, and a filter of a type that only Envoy knows is there', async () => {
  const dump = await stage.configDumps()
  expect(dump).toContain('"connect_timeout": "1.234s"')
  expect(dump).toContain('"name": "added-cluster"')
  expect(dump).toContain('"connect_timeout": "1.750s"')
  expect(dump).toContain('"stream_idle_timeout": "123s"')
  expect(dump).toContain('"name": "passed"')
})

const toChange = (yaml: string): ViewChange => {
  const value = configObject.parse(parse(yaml))
  return { kind: 'config', origin: 'mesh', key: objectKeyOf(value), value }
}

const breaking = (code: string) =>
  toChange(`
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: broken, namespace: default}
spec:
  workloadSelector: {labels: {app: server}}
  configPatches:
    - {applyTo: HTTP_FILTER, match: {context: SIDECAR_INBOUND, ${beforeRouter}}, patch: {operation: INSERT_BEFORE, value: ${code}}}
`)

const buffer =
  "{name: buffer, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer}}"

test('EnvoyFilter: one that Envoy refuses is left out, and only that; traffic goes on, and who is to blame is known', async () => {
  const refused = await stage.change(breaking(buffer))
  expect(refused.join()).toContain('MaxRequestBytes')
  const blamed = await eventually('somebody is blamed', () => {
    const found = stage.blamed()
    return found.length > 0 && found
  })
  expect(blamed.map(({ object }) => object)).toEqual(['EnvoyFilter/default/broken'])
  expect(await ofSidecar(`http://${host}:9080/`)).toMatchObject({ status: 200, headers: { 'x-inbound': 'yes' } })

  expect(await stage.change(breaking(sayLua('x-mended')))).toEqual([])
  expect(stage.blamed()).toEqual([])
  // Connections that were there before go on with what they have.
  await eventually('it is in force', async () => {
    const { headers } = await ofSidecar(`http://${host}:9080/`)
    return headers['x-mended'] === 'yes' && headers['x-inbound'] === 'yes'
  })
})

test('EnvoyFilter: a script that Envoy refuses might keep somebody out: the proxy keeps what it had', async () => {
  expect(await stage.change(breaking(sayLua('x-kept')))).toEqual([])
  await eventually('it is in force', async () => (await ofSidecar(`http://${host}:9080/`)).headers['x-kept'] === 'yes')
  expect((await stage.change(breaking(lua('this is no Lua')))).join()).toContain('script load error')
  expect(await ofSidecar(`http://${host}:9080/`)).toMatchObject({ status: 200, headers: { 'x-kept': 'yes' } })
})
