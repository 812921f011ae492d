import { describe, expect, test } from 'vitest'
import { network2, west } from '#test/mesh/records.ts'
import { ExplainedScene } from '#test/compile/explain.ts'
import type { Call } from './call.ts'
import type { Answer, Explanation } from './explanation.ts'

/** "GET http://reviews:80/v1 x-user=a", without what goes without saying. */
const toCall = (text: string): Partial<Call> & Pick<Call, 'host'> => {
  const [first = '', ...words] = text.split(' ')
  const [method, rest] = /^[A-Z]+$/.test(first) ? [first, words] : ['GET', [first, ...words]]
  const [url = '', ...headers] = rest
  const {
    scheme,
    host = '',
    port,
    path = '/',
  } = /^(?:(?<scheme>\w+):\/\/)?(?<host>[^:/]+)(?::(?<port>\d+))?(?<path>\/.*)?$/.exec(url)?.groups ?? {}
  return {
    host,
    method,
    path,
    ...(scheme !== undefined && { scheme: scheme as NonNullable<Call['scheme']> }),
    ...(port !== undefined && { port: Number(port) }),
    headers: Object.fromEntries(headers.map((header) => header.split('=') as [string, string])),
  }
}

/** All that is told, as a person reads it. */
const toText = ({ steps, ways, verdict }: Explanation): string =>
  [...steps, ...ways.flatMap((way) => way.steps)]
    .flatMap(({ text, details = [], decidedBy = [] }) => [
      text,
      ...details,
      ...decidedBy.map(({ object, path = '' }) => `${object} ${path}`),
    ])
    .concat(
      verdict.text,
      verdict.fix ?? '',
      (verdict.decidedBy ?? []).map(({ object, path = '' }) => `${object} ${path}`),
    )
    .join('\n')

/** A call, the verdict, something that is told, and what the client sees. */
type Row = [call: string, code: string, told: string, answer?: Answer]

const toExpected = (code: string, answer: Answer | undefined) => ({ code, ...(answer !== undefined && { answer }) })

const shop = `
about: A captured client, strict servers and rules of every kind.
services:
  - {host: reviews, ports: [http:80, 'admin:9090:auto'], fields: {addresses: [10.96.0.1]}, endpoints: {
      v1: {address: 10.0.0.2, labels: {version: v1}, ports: {http: 8080, admin: 9090}}, v2: {address: 10.0.0.3, labels: {version: v2}, ports: {http: 8080, admin: 9090}}}}
  - {host: db, ports: [tcp:3306], fields: {addresses: [10.96.0.2]}, endpoints: {v1: {address: 10.0.0.2, ports: {tcp: 3306}}}}
  - {host: safe, ports: [https:443], fields: {addresses: [10.96.0.3]}, endpoints: {v1: {address: 10.0.0.2, ports: {https: 8443}}}}
  - {host: empty, ports: [http:80], fields: {addresses: [10.96.0.4]}}
  - {host: sick, ports: [http:80], fields: {addresses: [10.96.0.5]}, endpoints: {v1: {address: 10.0.0.2, health: unhealthy}}}
  - {host: ending, ports: [http:80], fields: {addresses: [10.96.0.6]}, endpoints: {v1: {address: 10.0.0.2, health: draining}}}
  - {host: plain, ports: [http:80], fields: {addresses: [10.96.0.7]}, endpoints: {x: {address: 10.0.0.9, tls: none}}}
  - {host: private, namespace: other, ports: [http:80], fields: {addresses: [10.96.0.8], exportTo: ['.']}, endpoints: {v1: {address: 10.0.0.2}}}
  - {host: headless, ports: [http:80], endpoints: {v1: {address: 10.0.0.2}}}
  - {host: kafka, ports: [tcp:9092], endpoints: {v1: {address: 10.0.0.2, ports: {tcp: 9092}}}}
  - {host: careless, ports: [http:80], fields: {addresses: [10.96.0.11]}, endpoints: {v1: {address: 10.0.0.2}}}
  - {host: api.example.com, ports: [https:443], fields: {location: mesh-external, resolution: dns}}
  - {host: '*.example.org', ports: [tls:443], fields: {location: mesh-external, resolution: none}}
workloads:
  client: {address: 10.0.0.1, capture: transparent}
  v1: {address: 10.0.0.2, capture: transparent}
  v2: {address: 10.0.0.3, capture: transparent}
  machine: {address: 10.0.0.4}
config:
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: reviews, namespace: default}
    spec:
      hosts: [reviews]
      http:
        - {name: canary, match: [{headers: {x-user: {exact: ann}}}], route: [{destination: {host: reviews, subset: v2}}], timeout: 3s}
        - {match: [{uri: {prefix: /old}}], redirect: {uri: /new}}
        - {match: [{uri: {exact: /gone}}], directResponse: {status: 410}}
        - {match: [{uri: {prefix: /broken}}], fault: {abort: {httpStatus: 500, percentage: {value: 100}}}, route: [{destination: {host: reviews, subset: v1}}]}
        - {match: [{uri: {regex: '/n[a-z]+'}}], route: [{destination: {host: reviews, subset: none}}]}
        - {match: [{uri: {prefix: /no-labels}}], route: [{destination: {host: reviews, subset: v9}}]}
        - {match: [{uri: {prefix: /no-host}}], route: [{destination: {host: nowhere}}]}
        - {match: [{uri: {prefix: /no-port}}], route: [{destination: {host: reviews, port: {number: 81}}}]}
        - match: [{uri: {prefix: /split}}]
          route: [{destination: {host: reviews, subset: v1}, weight: 90}, {destination: {host: reviews, subset: v9}, weight: 10}]
        - {match: [{method: {exact: POST}, queryParams: {force: {exact: 'yes'}}}], route: [{destination: {host: reviews, subset: v1}}], retries: {attempts: 5, perTryTimeout: 1s, retryOn: 5xx}}
        - {match: [{uri: {prefix: /v}}], route: [{destination: {host: reviews}}]}
  - apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: reviews, namespace: default}
    spec:
      host: reviews
      trafficPolicy: {outlierDetection: {consecutive5xxErrors: 7}, connectionPool: {tcp: {maxConnections: 12}}}
      subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}, {name: v9, labels: {version: v9}}]
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: db, namespace: default}
    spec: {hosts: [db], tcp: [{route: [{destination: {host: db}}]}]}
  - apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: careless, namespace: default}
    spec: {host: careless, trafficPolicy: {tls: {mode: DISABLE}}}
proxies: [sidecar/default/client, sidecar/default/v1, sidecar/default/v2]
`

describe('a captured client', () => {
  const scene = new ExplainedScene(shop)

  test.each<Row>([
    ['reviews/v1', 'reachable', 'DestinationRule/default/reviews'],
    ['reviews.default/v1', 'reachable', 'VirtualService/default/reviews http[10]'],
    ['http://reviews.default.svc.cluster.local:80/v1', 'reachable', 'after 7 errors in a row'],
    ['10.96.0.1:80/v1', 'reachable', 'at most 12 connections'],
    ['reviews/any x-user=ann', 'reachable', 'takes route canary (prefix /, by x-user)'],
    ['reviews/any x-user=ann', 'reachable', 'timeout 3s'],
    ['reviews/any x-user=ann', 'reachable', '10.0.0.3:8080 v2 in east'],
    ['POST reviews/p?a=1&force=yes', 'reachable', '5 retries of 1s each on 5xx'],
    ['reviews/v1', 'reachable', 'shows spiffe://demo.test/ns/default/sa/default'],
    ['reviews/v1', 'reachable', 'believes default.default.east.clusters.demo.test'],
    ['reviews/v1', 'reachable', 'virtualInbound takes it on port 8080, by mesh mTLS'],
    ['reviews:9090/v', 'reachable', 'goes to the application, as HTTP'],
    ['tcp://reviews:9090', 'reachable', 'by chain'],
    ['db', 'reachable', '10.96.0.2_3306 takes the connection'],
    ['db', 'reachable', 'VirtualService/default/db tcp[0]'],
    ['safe', 'reachable', "with the client's own TLS inside"],
    ['kafka', 'reachable', 'goes where the client chose: 10.0.0.2:9092'],
    ['ending', 'reachable', 'none is healthy: the proxy tries them all the same'],
    ['plain', 'reachable', '10.0.0.9:80'],
    ['api.example.com', 'reachable', 'the application resolves it by its own DNS'],
    ['https://a.example.org', 'reachable', 'goes where the client chose: a.example.org:443'],
    ['unknown.example.com', 'passed-on', 'the mesh knows no unknown.example.com'],
    ['reviews/old/x', 'answered-by-route', 'redirects (301) to /new', 301],
    ['reviews/gone', 'answered-by-route', 'VirtualService/default/reviews http[2]', 410],
    ['reviews/broken', 'fault-injected', 'answers every request with 500', 500],
    ['reviews/none', 'no-such-subset', 'there is v1, v2, v9', 503],
    [
      'reviews/no-labels',
      'no-endpoints',
      'none of the 2 of the service has its labels, but version=v1; version=v2',
      503,
    ],
    ['reviews/no-host', 'no-such-cluster', 'nowhere.default.svc.cluster.local, which is no service', 503],
    ['reviews/no-port', 'no-such-cluster', 'port 81', 503],
    ['reviews/split', 'no-endpoints', '90 % of the calls arrive', 503],
    ['reviews/other', 'no-route', 'No route of 80/reviews.default.svc.cluster.local:80 takes GET /other', 404],
    ['POST reviews/p?force=no', 'no-route', 'takes POST', 404],
    ['review', 'unknown-name', 'Did you mean reviews?', 'no-address'],
    ['private', 'unknown-name', 'Ask for private.other', 'no-address'],
    ['private.other', 'plaintext-to-strict', 'in plaintext', 503],
    ['reviews:81', 'unknown-port', 'it has 80 (http), 9090 (auto)', 'closed'],
    ['reviews:81', 'unknown-port', 'passed on to 10.96.0.1:81, where nothing of the mesh answers', 'closed'],
    ['headless:81', 'unknown-port', 'headless.default.svc.cluster.local has no port 81; it has 80 (http)', 'closed'],
    ['http://api.example.com', 'passed-on', 'api.example.com has no port 80; it has 443 (https)'],
    ['empty', 'no-endpoints', 'See whether pods match the selector', 503],
    ['sick', 'no-endpoints', 'all 1 of the service are unhealthy', 503],
    ['https://reviews:80', 'protocol-mismatch', 'Port 80 is HTTP to the proxy', 400],
    ['careless', 'plaintext-to-strict', 'takes nothing but mesh mTLS on port 8080', 503],
  ])('%s: %s, %s', async (...[text, code, told, answer]: Row) => {
    const explanation = await scene.explain(toCall(text))
    expect(explanation.verdict).toMatchObject(toExpected(code, answer))
    expect(toText(explanation)).toContain(told)
  })

  test.each([
    ['reviews/v1', 'plaintext-to-strict'],
    ['plain', 'reachable'],
    ['empty', 'no-endpoints'],
    ['reviews:81', 'unknown-port'],
    ['headless:81', 'unknown-port'],
  ])('without a proxy of its own, %s: %s', async (text, code) => {
    const explanation = await scene.explain(toCall(text), { entry: 'none', name: 'default/bare' })
    expect(explanation.verdict.code).toBe(code)
  })

  test.each<Row>([
    ['http://reviews.default:81', 'unknown-port', 'which it does not have', 503],
    ['http://reviews.default:81', 'unknown-port', 'passed on to reviews.default:81, where nothing of the mesh', 503],
    ['http://headless:81', 'unknown-port', 'has no port 81; it has 80 (http)', 503],
    ['tcp://reviews:81', 'unknown-port', 'reviews.default.svc.cluster.local has no port 81', 'closed'],
  ])('by its HTTP proxy port, %s: %s, %s', async (...[text, code, told, answer]: Row) => {
    const proxy = { role: 'sidecar', namespace: 'default', workload: 'machine', serviceAccount: 'default' } as const
    const explanation = await scene.explain(toCall(text), { proxy })
    expect(explanation.verdict).toMatchObject({ outcome: 'not-reachable', ...toExpected(code, answer) })
    expect(toText(explanation)).toContain(told)
    expect(toText(explanation)).not.toContain('egress')
  })

  test('without a Sidecar object nobody is told to add to its hosts', async () => {
    const { verdict } = await scene.explain({ ...toCall('plain'), headers: { host: 'unknown.example.com' } })
    expect(verdict).toMatchObject({
      code: 'passed-on',
      text: expect.stringContaining('unknown.example.com') as unknown,
    })
    expect(verdict.fix).toBeUndefined()
  })

  test('takes what is exported to its own namespace alone for somebody else', async () => {
    const { verdict, ways } = await scene.explain(toCall('private.other'))
    expect(verdict.reachable).toBe(false)
    expect(ways.map(({ xdsCluster }) => xdsCluster)).toEqual(['PassthroughCluster'])
  })
})

const narrow = `
about: A Sidecar object leaves out one of two services, and what the mesh does not know is blocked.
settings: {inboundMtls: permissive, meshConfig: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}}
services:
  - {host: near, ports: [http:80], fields: {addresses: [10.96.0.1]}, endpoints: {near: {address: 10.0.0.2}}}
  - {host: far, namespace: other, ports: [http:80, tcp:3306], fields: {addresses: [10.96.0.2]}, endpoints: {near: {address: 10.0.0.2, ports: {http: 8080, tcp: 3306}}}}
  - {host: shy, namespace: other, ports: [http:80], fields: {addresses: [10.96.0.3], exportTo: ['.']}}
workloads:
  client: {address: 10.0.0.1, capture: transparent}
  near: {address: 10.0.0.2, capture: transparent}
  machine: {address: 10.0.0.4}
config:
  - apiVersion: networking.istio.io/v1
    kind: Sidecar
    metadata: {name: own, namespace: default}
    spec: {egress: [{hosts: ['./*']}]}
proxies: [sidecar/default/client, sidecar/default/near]
`

describe('a client that a Sidecar object narrows', () => {
  const scene = new ExplainedScene(narrow)
  const machine = { role: 'sidecar', namespace: 'default', workload: 'machine', serviceAccount: 'default' } as const

  test.each<Row>([
    ['near', 'reachable', 'by mesh mTLS'],
    ['far.other:80', 'hidden-by-sidecar', 'Sidecar/default/own egress', 502],
    ['far.other:3306', 'hidden-by-sidecar', 'Add other/far.other.svc.cluster.local', 'closed'],
    ['shy.other', 'not-exported', 'not to namespace default', 502],
    ['near:81', 'unknown-port', 'it has 80 (http)', 'closed'],
    ['far.other:81', 'unknown-port', 'it has 80 (http), 3306 (tcp)', 'closed'],
    ['www.example.com', 'blocked-outbound', 'Add a ServiceEntry', 502],
    ['tcp://www.example.com:99', 'blocked-outbound', 'REGISTRY_ONLY', 'closed'],
  ])('%s: %s, %s', async (...[text, code, told, answer]: Row) => {
    const explanation = await scene.explain(toCall(text))
    expect(explanation.verdict).toMatchObject(toExpected(code, answer))
    expect(toText(explanation)).toContain(told)
  })

  test.each<Row>([
    ['near/x', 'reachable', 'http-proxy/near.default.svc.cluster.local:80'],
    ['far.other', 'hidden-by-sidecar', 'Sidecar/default/own', 502],
    ['near:81', 'unknown-port', 'it has 80 (http)', 502],
    ['far.other:3306', 'hidden-by-sidecar', 'Sidecar/default/own', 502],
    ['www.example.com', 'blocked-outbound', 'REGISTRY_ONLY', 502],
  ])('as a machine, by its HTTP proxy port, %s: %s, %s', async (...[text, code, told, answer]: Row) => {
    const explanation = await scene.explain(toCall(text), { proxy: machine })
    expect(explanation.verdict).toMatchObject(toExpected(code, answer))
    expect(toText(explanation)).toContain(told)
  })

  test('servers that are permissive take plaintext', async () => {
    const explanation = await scene.explain(toCall('near'), { entry: 'none' })
    expect(explanation.verdict.code).toBe('reachable')
    expect(toText(explanation)).toContain('virtualInbound takes it on port 8080, in plaintext')
  })
})

test.each([{}, { entry: 'none' as const }])(
  'a pod that takes plaintext is come to by its own address at any port: %j',
  async (given) => {
    const { verdict } = await new ExplainedScene(
      shop.replace('services:', 'settings: {inboundMtls: permissive}\nservices:'),
    ).explain(toCall('headless:81'), given)
    expect(verdict).toMatchObject({ outcome: 'unknown', code: 'not-followed' })
    expect(verdict.text).toContain('has no port 81; it has 80 (http)')
    expect(verdict.text).toContain('to 10.0.0.2:81, and whether something listens there the mesh does not know')
  },
)

describe('over networks', () => {
  const service = (fields: string) =>
    `{host: reviews, ports: [http:80, tcp:99], fields: {addresses: [10.96.0.1]}, ${fields}}`
  const remote = new ExplainedScene(
    `
about: What is behind the gateway.
services: [${service('endpoints: {r: {address: 10.1.0.2, cluster: west, network: network-2, ports: {http: 8080}}}')}]
workloads: {gw: {address: 10.1.0.9, network: network-2}, r: {address: 10.1.0.2, network: network-2, capture: transparent}}
proxies: [east-west-gateway/default/gw, sidecar/default/r]
`,
    {},
    { standpoint: { cluster: west, network: network2 } },
  )
  const groups = 'remote: {west: [{weight: 3, ports: [http, tcp]}]}'
  const scene = new ExplainedScene(
    `
about: All endpoints are on another network.
clusters: {west: {network: network-2, gateways: [{address: 192.0.2.9, port: 15443}]}}
services: [${service(groups)}]
workloads: {client: {address: 10.0.0.1, capture: transparent}}
proxies: [sidecar/default/client]
`,
    { west: remote },
  )

  test('the gateway and the workload behind it are followed', async () => {
    const explanation = await scene.explain(toCall('reviews'))
    expect(explanation.verdict.code).toBe('reachable')
    expect(toText(explanation)).toContain('192.0.2.9:15443 (gateway of west)')
    expect(toText(explanation)).toContain(
      'over the gateway of west at 192.0.2.9:15443: passes it on unopened to 1 endpoint',
    )
    expect(explanation.ways[0]?.steps.map(({ proxy }) => proxy)).toContain('sidecar/default/r')
  })

  test('what the gateway does not pass on is told', async () => {
    const { verdict } = await scene.explain(toCall('reviews:99'))
    expect(verdict).toMatchObject({ code: 'not-behind-gateway', answer: 'closed' })
    expect(verdict.text).toContain('outbound_.99_._.reviews.default.svc.cluster.local: it has no endpoints there')
  })
})

describe('a gateway', () => {
  const scene = new ExplainedScene(`
about: An ingress gateway with a server in plaintext and one with TLS.
services:
  - {host: reviews, ports: [http:80], endpoints: {r: {address: 10.0.0.2}}}
workloads: {gw: {address: 10.0.0.9, labels: {app: gw}}, r: {address: 10.0.0.2, capture: transparent}}
config:
  - apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: front, namespace: default}
    spec:
      selector: {app: gw}
      servers:
        - {port: {number: 80, name: http, protocol: HTTP}, hosts: [shop.example.com], tls: {httpsRedirect: true}}
        - {port: {number: 443, name: https, protocol: HTTPS}, hosts: [shop.example.com], tls: {mode: SIMPLE, credentialName: shop}}
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: default}
    spec: {hosts: [shop.example.com], gateways: [front], http: [{match: [{uri: {prefix: /r}}], route: [{destination: {host: reviews}}]}]}
proxies: [gateway/default/gw, sidecar/default/r]
`)

  test.each<Row>([
    ['https://shop.example.com/r', 'reachable', 'VirtualService/default/shop http[0]'],
    ['https://shop.example.com/r', 'reachable', 'Gateway/default/front'],
    ['https://shop.example.com/x', 'no-route', 'takes GET /x', 404],
    ['http://shop.example.com/r', 'answered-by-route', 'redirects to https', 301],
    ['https://other.example.com/r', 'no-listener', 'is for other.example.com on port 443', 'closed'],
    ['http://shop.example.com:8080/', 'no-listener', 'does not listen on port 8080', 'closed'],
  ])('%s: %s, %s', async (...[text, code, told, answer]: Row) => {
    const explanation = await scene.explain(toCall(text))
    expect(explanation.verdict).toMatchObject(toExpected(code, answer))
    expect(toText(explanation)).toContain(told)
  })
})
