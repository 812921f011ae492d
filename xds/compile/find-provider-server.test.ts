import { expect, test } from 'vitest'
import { readScene } from '#test/compile/scene.ts'
import { findProviderServer } from './find-provider-server.ts'

const host = 'authz.policy.svc.cluster.local'
const entry = (namespace: string, exportTo = '.') => `
  - apiVersion: networking.istio.io/v1
    kind: ServiceEntry
    metadata: {name: authz, namespace: ${namespace}}
    spec: {hosts: [authz.example], exportTo: ['${exportTo}'], ports: [{number: 80, name: http, protocol: HTTP}], resolution: STATIC, location: MESH_INTERNAL, endpoints: [{address: 127.0.77.9}]}`
const taken = `
  - apiVersion: networking.istio.io/v1
    kind: ServiceEntry
    metadata: {name: mine, namespace: shop}
    spec: {hosts: [${host}], exportTo: ['.'], ports: [{number: 80, name: http, protocol: HTTP}], resolution: STATIC, location: MESH_INTERNAL, endpoints: [{address: 127.0.77.10}]}`

/** Whom clients of the namespace "shop" are led to, or why to nobody. */
const find = (service: string, ...config: readonly string[]): string => {
  const { store } = readScene(
    `
about: ''
services:
  - {host: authz, namespace: policy, ports: [http:80], fields: {exportTo: ['.']}, endpoints: {authz-1: {address: 127.0.77.8, ports: {http: 80}}}}
config: ${config.length === 0 ? '[]' : config.join('')}
`,
    { certificates: '' },
  )
  const found = findProviderServer(store, { service, port: 80 }, 'shop')
  return found.ok ? found.value.service.key : found.error
}

test.each<[string, readonly string[], string]>([
  [host, [], `policy/${host}`],
  [`policy/${host}`, [], `policy/${host}`],
  [`shop/${host}`, [], `shop/${host} is no service`],
  // Who may write objects of a namespace makes itself nobody's provider by them.
  [`policy/${host}`, [taken], `policy/${host}`],
  [host, [taken], `policy/${host}`],
  ['authz.example', [entry('one')], 'one/authz.example'],
  ['one/authz.example', [entry('one'), entry('two')], 'one/authz.example'],
  ['two/authz.example', [entry('one'), entry('two', '*')], 'two/authz.example'],
  [
    'authz.example',
    [entry('one'), entry('two')],
    'authz.example is a service of several namespaces: name one of them, such as one/authz.example',
  ],
  [
    'authz.example',
    [entry('one'), entry('shop')],
    'authz.example is a service of several namespaces: name one of them, such as one/authz.example',
  ],
  ['shop/authz.example', [entry('one'), entry('shop')], 'shop/authz.example'],
  [
    'one/authz.example',
    [entry('one', '*'), entry('shop')],
    "shop has another service of the host authz.example: clients there can't reach one/authz.example",
  ],
])('the provider %s beside %j is %s', (service, config, expected) => {
  expect(find(service, ...config)).toBe(expected)
})
