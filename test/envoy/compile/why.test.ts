import { get as getDirectly } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { toServiceKey } from '#mesh/names.ts'
import { ExplainedScene } from '#test/compile/explain.ts'
import type { Answer } from '#xds/explain/explanation.ts'
import type { Stage } from './stage.ts'
import { clientAddress, gatewayAddress, get, serverAddress, stageNetwork, Theatre } from './theatre.ts'

const guardedAddress = `${stageNetwork}.66`

let theatre: Theatre
let explained: ExplainedScene
let stage: Stage

const scene = (port: number) => `
about: Calls of which some arrive, for as many reasons as there are.
settings: {meshConfig: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}}
services:
  - {host: reviews, ports: [http:80, other:81:http], endpoints: {server-1: {ports: {http: ${port}}, address: ${serverAddress}, labels: {version: v1}}}}
  - {host: empty, ports: [http:80]}
  - {host: guarded, ports: [http:80], endpoints: {guarded-1: {ports: {http: ${port}}, address: ${guardedAddress}, serviceAccount: guarded}}}
  - {host: plain, ports: [http:80], endpoints: {a: {ports: {http: ${port}}, address: 127.0.0.1, tls: none}}}
  - {host: ending, ports: [http:80], endpoints: {server-1: {ports: {http: ${port}}, address: ${serverAddress}, health: draining}}}
  - {host: given-up, ports: [http:80], endpoints: {server-1: {ports: {http: ${port}}, address: ${serverAddress}, health: draining}}}
  - {host: half, ports: [http:80], endpoints: {a: {ports: {http: ${port}}, address: 127.0.0.1, tls: none}, server-1: {ports: {http: ${port}}, address: ${serverAddress}}}}
  - {host: faulty, ports: [http:80], endpoints: {server-1: {ports: {http: ${port}}, address: ${serverAddress}}}}
  - {host: careless, ports: [http:80], endpoints: {server-1: {ports: {http: ${port}}, address: ${serverAddress}}}}
  - {host: far, namespace: other, ports: [http:80], endpoints: {server-1: {ports: {http: ${port}}, address: ${serverAddress}}}}
  - {host: shy, namespace: other, ports: [http:80], fields: {exportTo: ['.']}, endpoints: {server-1: {ports: {http: ${port}}, address: ${serverAddress}}}}
workloads:
  client-1: {address: ${clientAddress}, labels: {app: client}}
  server-1: {address: ${serverAddress}}
  guarded-1: {address: ${guardedAddress}, serviceAccount: guarded, labels: {app: guarded}}
  gw: {address: ${gatewayAddress}, labels: {app: gw}}
config:
  - apiVersion: networking.istio.io/v1
    kind: Sidecar
    metadata: {name: client, namespace: default}
    spec: {workloadSelector: {labels: {app: client}}, egress: [{hosts: ['./*', other/shy.other.svc.cluster.local]}]}
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: reviews, namespace: default}
    spec:
      hosts: [reviews, shop.example.com]
      gateways: [mesh, front]
      http:
        - {match: [{uri: {prefix: /v1}, headers: {x-user: {exact: ann}}}], route: [{destination: {host: reviews, subset: v1, port: {number: 80}}}]}
        - {match: [{uri: {prefix: /v2}}], route: [{destination: {host: reviews, subset: v2, port: {number: 80}}}]}
        - {match: [{uri: {prefix: /v3}}], route: [{destination: {host: reviews, subset: v3, port: {number: 80}}}]}
        - {match: [{uri: {prefix: /nowhere}}], route: [{destination: {host: nowhere}}]}
        - {match: [{uri: {regex: '/moved|/gone'}}], redirect: {uri: /v1, redirectCode: 308}}
        - {match: [{queryParams: {answer: {prefix: x}}}], directResponse: {status: 418}}
        - {match: [{uri: {prefix: /broken}}], fault: {abort: {httpStatus: 507, percentage: {value: 100}}}, route: [{destination: {host: reviews}}]}
        - {match: [{uri: {exact: /}}], route: [{destination: {host: reviews, port: {number: 80}}}]}
  - apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: reviews, namespace: default}
    spec: {host: reviews, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: faulty, namespace: default}
    spec: {hosts: [faulty], http: [{fault: {abort: {httpStatus: 507, percentage: {value: 50}}}, route: [{destination: {host: faulty}}]}]}
  - apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: given-up, namespace: default}
    spec: {host: given-up, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 5}}}
  - apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: half, namespace: default}
    spec: {host: half, trafficPolicy: {tls: {mode: DISABLE}, loadBalancer: {simple: ROUND_ROBIN}}}
  - apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: careless, namespace: default}
    spec: {host: careless, trafficPolicy: {tls: {mode: DISABLE}}}
  - apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: front, namespace: default}
    spec: {selector: {app: gw}, servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: [shop.example.com]}, {port: {number: 8082, name: http-script, protocol: HTTP}, hosts: [shop.example.com]}, {port: {number: 8083, name: http-guarded, protocol: HTTP}, hosts: [shop.example.com]}]}
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: guarded, namespace: default}
    spec:
      hosts: [guarded]
      http:
        - {match: [{uri: {prefix: /was/}}], rewrite: {uri: /open/}, route: [{destination: {host: guarded}}]}
        - {match: [{uri: {prefix: /marked}}], headers: {request: {set: {x-mark: red}}}, route: [{destination: {host: guarded}}]}
        - {match: [{uri: {prefix: /host}}], rewrite: {authority: other.example}, route: [{destination: {host: guarded}}]}
        - {route: [{destination: {host: guarded}}]}
  - apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: guarded, namespace: default}
    spec:
      selector: {matchLabels: {app: guarded}}
      rules:
        - {from: [{source: {serviceAccounts: [default/default]}}], to: [{operation: {paths: [/open*]}}]}
        - {when: [{key: 'request.headers[x-mark]', values: [red]}]}
        - {to: [{operation: {hosts: [other.example]}}]}
  - apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: secrets, namespace: default}
    spec: {selector: {matchLabels: {app: guarded}}, action: DENY, rules: [{to: [{operation: {paths: ['*/secret']}}]}]}
  - apiVersion: security.istio.io/v1
    kind: PeerAuthentication
    metadata: {name: guarded, namespace: default}
    spec: {selector: {matchLabels: {app: guarded}}, mtls: {mode: STRICT}}
  - apiVersion: networking.istio.io/v1alpha3
    kind: EnvoyFilter
    metadata: {name: guard, namespace: default}
    spec:
      workloadSelector: {labels: {app: gw}}
      configPatches:
        - applyTo: HTTP_FILTER
          match: {context: GATEWAY, listener: {portNumber: 8082}}
          patch:
            operation: INSERT_FIRST
            value:
              name: script
              typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua, default_source_code: {inline_string: "function envoy_on_request(handle) handle:respond({[':status'] = '403'}, '') end"}}
        - applyTo: HTTP_FILTER
          match: {context: GATEWAY, listener: {portNumber: 8083}}
          patch:
            operation: INSERT_FIRST
            value:
              name: deny-all
              typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC, rules: {action: ALLOW, policies: {}}}
proxies: [sidecar/default/client-1, sidecar/default/server-1, gateway/default/gw, sidecar/default/guarded-1/guarded]
`

beforeAll(async () => {
  theatre = await Theatre.open()
  const app = await theatre.startApp('reviews')
  stage = await theatre.start(scene(app.port))
  explained = new ExplainedScene(stage.scene)
})
afterAll(() => theatre.clear())

const parse = (text: string) => {
  const { hostname, port, pathname, search } = new URL(text)
  return { host: hostname, port: Number(port || 80), scheme: 'http' as const, path: `${pathname}${search}` }
}

/** The status of a request that is made to an address, whatever host it names. */
const getAt = (address: string, text: string): Promise<Answer> => {
  const { port, host, path } = parse(text)
  return new Promise((resolve) => {
    getDirectly({ host: address, port, path, headers: { host: `${host}:${port}` }, agent: false }, (reply) => {
      reply.resume()
      resolve(reply.statusCode ?? 0)
    }).on('error', () => resolve('closed'))
  })
}

describe('what a real request gets is what was explained', () => {
  test.each([
    ['http://reviews/', 'reachable', {}],
    ['http://reviews.default.svc.cluster.local/', 'reachable', {}],
    ['http://reviews/v1', 'reachable', { 'x-user': 'ann' }],
    ['http://reviews/v1', 'no-route', { 'x-user': 'bob' }],
    ['http://reviews/v1', 'no-route', {}],
    ['http://reviews/v2', 'no-endpoints', {}],
    ['http://reviews/v3', 'no-such-subset', {}],
    ['http://reviews/nowhere', 'no-such-cluster', {}],
    ['http://reviews/gone', 'answered-by-route', {}],
    ['http://reviews/?a=1&answer=xy', 'answered-by-route', {}],
    ['http://reviews/broken', 'fault-injected', {}],
    ['http://reviews:81/v2', 'no-endpoints', {}],
    ['http://empty/', 'no-endpoints', {}],
    ['http://plain/', 'reachable', {}],
    ['http://ending/', 'reachable', {}],
    ['http://given-up/', 'no-endpoints', {}],
    ['http://careless/', 'plaintext-to-strict', {}],
    ['http://far.other/', 'hidden-by-sidecar', {}],
    ['http://shy.other/', 'not-exported', {}],
    ['http://www.example.com/', 'blocked-outbound', {}],
  ])('%s: %s', async (url, code, headers) => {
    const { verdict } = await explained.explain({ ...parse(url), headers })
    expect(verdict.code).toBe(code)
    expect((await get(url, headers)).status).toBe(verdict.reachable ? 200 : verdict.answer)
  })

  test.each([
    ['http://half/', 'plaintext-to-strict'],
    ['http://faulty/', 'fault-injected'],
  ])('of a share, %s: %s', async (url, code) => {
    const { verdict } = await explained.explain(parse(url))
    expect(verdict).toMatchObject({ outcome: 'partly-reachable', code, share: 0.5 })
    const answers = await Promise.all(Array.from({ length: 60 }, async () => (await get(url, {})).status))
    expect(new Set(answers)).toEqual(new Set([200, verdict.answer]))
    const arrived = answers.filter((status) => status === 200).length / answers.length
    expect(Math.abs(arrived - verdict.share)).toBeLessThan(0.3)
  })

  test.each([
    ['http://shop.example.com:8080/', 'reachable'],
    ['http://shop.example.com:8080/v2', 'no-endpoints'],
    ['http://shop.example.com:8080/x', 'no-route'],
    ['http://other.example.com:8080/', 'no-route'],
    ['http://shop.example.com:8081/', 'no-listener'],
  ])('at a gateway, %s: %s', async (url, code) => {
    const [, , proxy] = explained.scene.proxies
    const { verdict } = await explained.explain(parse(url), proxy && { proxy })
    expect(verdict.code).toBe(code)
    expect(await getAt(gatewayAddress, url)).toBe(verdict.reachable ? 200 : verdict.answer)
  })

  test.each([
    [8082, { outcome: 'unknown', code: 'access-not-known' }],
    [8083, { outcome: 'not-reachable', code: 'denied-by-policy', answer: 403 }],
  ])('of filters at port %d that turn away %j', async (port, expected) => {
    const [, , proxy] = explained.scene.proxies
    const url = `http://shop.example.com:${port}/`
    const { verdict } = await explained.explain(parse(url), proxy && { proxy })
    expect(verdict).toMatchObject(expected)
    expect(await getAt(gatewayAddress, url)).toBe(403)
  })

  test('an agent names the objects that judge', () => {
    expect(stage.proxyConfig('sidecar/default/guarded-1')?.policies).toEqual({
      peers: { rest: { mode: 'STRICT', object: 'PeerAuthentication/default/guarded' }, ports: {} },
      authorizations: [
        { object: 'AuthorizationPolicy/default/guarded', origin: 'mesh', action: 'ALLOW', dryRun: false },
        { object: 'AuthorizationPolicy/default/secrets', origin: 'mesh', action: 'DENY', dryRun: false },
      ],
      tokens: [],
      labels: { app: 'guarded' },
      ownPeers: [],
    })
  })

  test.each([
    ['http://guarded/open', 'reachable', undefined],
    ['http://guarded/x', 'denied-by-policy', 'AuthorizationPolicy/default/guarded rules'],
    ['http://guarded/open/secret', 'denied-by-policy', 'AuthorizationPolicy/default/secrets rules[0]'],
    ['http://guarded/was/secret', 'denied-by-policy', 'AuthorizationPolicy/default/secrets rules[0]'],
    ['http://guarded/was/', 'reachable', undefined],
    ['http://guarded/marked', 'reachable', undefined],
    ['http://guarded/host', 'reachable', undefined],
  ])('of policies, with the path, host and headers that arrive, %s: %s', async (url, code, by) => {
    const { verdict, ways } = await explained.explain(parse(url))
    expect(verdict.code).toBe(code)
    const [decider] = verdict.decidedBy ?? []
    expect(decider && `${decider.object} ${decider.path}`).toBe(by)
    const inbound = ways[0]?.steps.find(({ stage }) => stage === 'inbound')
    expect(inbound?.decidedBy).toEqual([{ object: 'PeerAuthentication/default/guarded', path: 'mtls' }])
    expect((await get(url)).status).toBe(verdict.reachable ? 200 : verdict.answer)
  })

  test('without a proxy', async () => {
    const { verdict } = await explained.explain(parse('http://reviews/'), { entry: 'none' })
    expect(verdict).toMatchObject({ code: 'plaintext-to-strict' })
    const [endpoint] = explained.scene.store.endpoints(toServiceKey('default', 'reviews.default.svc.cluster.local'))
    expect(await getAt(serverAddress, `http://reviews:${endpoint?.ports['http'] ?? 0}/`)).toBe(verdict.answer)
  })
})
