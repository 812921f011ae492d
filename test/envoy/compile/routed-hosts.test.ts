import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { toObjectKey } from '#mesh/config-object.ts'
import type { Echo } from '#test/harness/echo-app.ts'
import { requestThroughProxy } from '#test/harness/proxy-request.ts'
import type { Stage } from './stage.ts'
import { clientAddress, get, getEcho, proxyPort, serverAddress, stageNetwork, Theatre } from './theatre.ts'

/** Of a client whose Sidecar object takes the hosts of one namespace alone. */
const scopedAddress = `${stageNetwork}.60`

let theatre: Theatre
let stage: Stage
beforeAll(async () => {
  theatre = await Theatre.open()
  stage = await theatre.start(scene((await theatre.startApp('a')).port, (await theatre.startApp('b')).port))
})
afterAll(() => theatre.clear())

const route = (host: string) => `http: [{route: [{destination: {host: ${host}.default.svc.cluster.local}}]}]`
const virtualService = (name: string, spec: string, namespace = 'default') => `
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: ${name}, namespace: ${namespace}}
    spec: {${spec}}`
const sidecar = (app: string, spec: string) => `
  - apiVersion: networking.istio.io/v1
    kind: Sidecar
    metadata: {name: ${app}, namespace: default}
    spec: {workloadSelector: {labels: {app: ${app}}}, ${spec}}`

const scene = (a: number, b: number) => `
about: ''
settings: {meshConfig: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}}
services:
  - {host: a, ports: [http:9080], endpoints: {server-1: {address: ${serverAddress}, ports: {http: ${a}}}}}
  - {host: b, ports: [http:9081], endpoints: {server-1: {address: ${serverAddress}, ports: {http: ${b}}}}}
  - {host: hidden.example, namespace: other, ports: [http:80], fields: {location: mesh-external, exportTo: [.], source: service-entry}, endpoints: {server-1: {address: ${serverAddress}, ports: {http: ${a}}, tls: none}}}
workloads:
  client-1: {address: ${clientAddress}, labels: {app: client}}
  client-2: {address: ${scopedAddress}, labels: {app: scoped}}
  server-1: {address: ${serverAddress}}
config:
  ${sidecar('client', "egress: [{port: {number: 80, protocol: HTTP, name: http}, hosts: ['*/*']}, {hosts: ['*/*']}]")}
  ${sidecar('scoped', "egress: [{hosts: ['other/elsewhere.example', '~*/not.example', './b.default.svc.cluster.local']}]")}
  ${virtualService('alone', `hosts: [alone.example, '*.wild.example'], http: [{match: [{uri: {prefix: /only}}], route: [{destination: {host: a}}]}]`)}
  ${virtualService('closer', `hosts: [closer.wild.example], ${route('b')}`)}
  ${virtualService('beside', `hosts: [b, beside.example], ${route('b')}`)}
  ${virtualService('root', `hosts: [delegated.example], http: [{match: [{uri: {prefix: /part}}], delegate: {name: part}}]`)}
  ${virtualService('part', route('a'))}
  ${virtualService('elsewhere', `hosts: [elsewhere.example, along.example, not.example], ${route('b')}`, 'other')}
  ${virtualService('private', `hosts: [private.example], exportTo: ['.'], ${route('b')}`, 'other')}
  ${virtualService('hidden', `hosts: [hidden.example], ${route('b')}`)}
  ${virtualService('edge', `hosts: [edge.example], gateways: [edge], ${route('b')}`)}
proxies: [sidecar/default/client-1, sidecar/default/client-2, sidecar/default/server-1]
`

const caller = 'spiffe://td.example/ns/default/sa/default'

describe('a host that VirtualServices alone know', () => {
  test.each([
    ['is routed by the HTTP proxy, with its rules', 'http://alone.example/only', 'a'],
    ['also where another namespace has a service of that name for itself', 'http://hidden.example/', 'b'],
    ['also with the port that goes without saying', 'http://alone.example:80/only', 'a'],
    ['may be a wildcard', 'http://any.wild.example/only', 'a'],
    ['a closer one goes before it', 'http://closer.wild.example/', 'b'],
    ['goes where a delegate says', 'http://delegated.example/part', 'a'],
    ['of another namespace', 'http://elsewhere.example/', 'b'],
    ['beside a service is on its port', 'http://beside.example:9081/', 'b'],
  ])('%s', async (_, url, app) => {
    expect(await getEcho(url)).toMatchObject({ app, caller })
  })

  test.each([
    ['answers what no rule takes', 'http://alone.example/other', 404],
    ['is not on another port', 'http://alone.example:9080/only', 502],
    ['beside a service is not on port 80', 'http://beside.example/', 502],
    ['is not for those that it is not exported to', 'http://private.example/', 502],
    ['is not for sidecars when it is of gateways', 'http://edge.example/', 502],
    ['that nobody names', 'http://nobody.example/', 502],
  ])('%s', async (_, url, status) => {
    expect(await get(url)).toMatchObject({ status })
  })

  test.each([
    ['http://alone.example/only', 'a'],
    ['http://beside.example/', 'b'],
  ])('is on a listener of port 80: %s', async (url, app) => {
    const { body } = await requestThroughProxy({ host: clientAddress, port: 80 }, url)
    expect(JSON.parse(body) as Echo).toMatchObject({ app, caller })
  })

  test.each([
    ['http://elsewhere.example/', 200],
    ['http://along.example/', 200],
    ['http://alone.example/only', 502],
    ['http://not.example/', 502],
  ])('is in the scope of a Sidecar as it says: %s', async (url, status) => {
    expect(await requestThroughProxy({ host: scopedAddress, port: proxyPort }, url)).toMatchObject({ status })
  })

  test('comes and goes with its VirtualService', async () => {
    const key = toObjectKey('VirtualService', 'default', 'late')
    const value = {
      apiVersion: 'networking.istio.io/v1',
      kind: 'VirtualService',
      metadata: { name: 'late', namespace: 'default' },
      spec: { hosts: ['late.example'], http: [{ route: [{ destination: { host: 'a' } }] }] },
    }
    expect(await stage.change({ kind: 'config', origin: 'mesh', key, value })).toEqual([])
    expect(await getEcho('http://late.example/')).toMatchObject({ app: 'a' })
    expect(await stage.change({ kind: 'config', origin: 'mesh', key, value: null })).toEqual([])
    expect(await get('http://late.example/')).toMatchObject({ status: 502 })
  })
})
