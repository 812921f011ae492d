import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Echo } from '#test/harness/echo-app.ts'
import { requestThroughProxy } from '#test/harness/proxy-request.ts'
import { proxyPort, Theatre } from './theatre.ts'

const plain = '127.0.96.1'
const beta = '127.0.96.2'
const ofRoot = '127.0.96.5'

let theatre: Theatre
beforeAll(async () => {
  theatre = await Theatre.open()
  const [one, two] = await Promise.all(['one', 'two'].map((name) => theatre.startApp(name)))
  const first = await theatre.startApp('first')
  const endpoints = `{a: {address: 127.0.0.1, tls: none, labels: {version: v1}, ports: {http: ${one?.port}}},
    b: {address: 127.0.0.1, tls: none, labels: {version: v2}, ports: {http: ${two?.port}}}}`
  const rule = (name: string, spec: string, namespace = 'default') =>
    `  - {apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: ${name}, namespace: ${namespace}}, spec: ${spec}}\n`
  const ofBeta = "workloadSelector: {matchLabels: {beta: 'yes'}}"
  const hashed = '{loadBalancer: {consistentHash: {httpHeaderName: x-user}}}'
  await theatre.start(`
about: ''
services:
  - {host: reviews, ports: [http:80], endpoints: ${endpoints}}
  - {host: foreign, namespace: other, ports: [http:80], endpoints: ${endpoints}}
  - {host: split, ports: [http:80]}
  - {host: weighted, ports: [http:80]}
  - {host: first, ports: [http:80], endpoints: {a: {address: 127.0.0.1, tls: none, ports: {http: ${first.port}}}}}
  - {host: second, ports: [http:80], endpoints: ${endpoints}}
workloads:
  plain-1: {address: ${plain}, labels: {app: x}}
  beta-1: {address: ${beta}, labels: {app: x, beta: 'yes'}}
  root-1: {address: ${ofRoot}, namespace: atoll-system}
config:
${[
  rule(
    'a-all',
    '{host: reviews, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}, subsets: [{name: only, labels: {version: v1}}]}',
  ),
  rule('beta', `{host: reviews, ${ofBeta}, trafficPolicy: ${hashed}, subsets: [{name: only, labels: {version: v2}}]}`),
  rule('first', '{host: first, trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x-other}}}}'),
  rule('second', `{host: second, trafficPolicy: ${hashed}}`),
  rule('of-server', `{host: foreign, ${ofBeta}, trafficPolicy: ${hashed}}`, 'other'),
  rule('of-all', '{host: foreign, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}}', 'other'),
  rule('shared', `{host: '*.other.svc.cluster.local', trafficPolicy: ${hashed}}`, 'atoll-system'),
  rule('own', `{host: '*.default.svc.cluster.local', exportTo: [.], trafficPolicy: ${hashed}}`, 'atoll-system'),
].join('')}
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: split, namespace: default}
    spec: {hosts: [split], http: [{route: [{destination: {host: reviews, subset: only}}]}]}
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: weighted, namespace: default}
    spec: {hosts: [weighted], http: [{route: [{destination: {host: first}, weight: 50}, {destination: {host: second}, weight: 50}]}]}
proxies: [sidecar/default/plain-1, sidecar/default/beta-1, sidecar/atoll-system/root-1]
`)
})
afterAll(() => theatre.clear())

const appsOf = async (host: string, from: string, requests = 8): Promise<string[]> => {
  const apps = new Set<string>()
  for (let index = 0; index < requests; index++) {
    const reply = await requestThroughProxy({ host: from, port: proxyPort }, `http://${host}/`, {
      headers: { 'x-user': 'somebody' },
    })
    apps.add(reply.status === 200 ? (JSON.parse(reply.body) as Echo).app : String(reply.status))
  }
  return [...apps].toSorted()
}

test.for([
  ['a rule without a selector holds for who is not selected', 'reviews', plain, ['one', 'two']],
  ["a route's subset is that of the rule for all", 'split', plain, ['one']],
  ["a route's subset is that of the rule that selects the client", 'split', beta, ['two']],
  ['a rule selects nobody of other namespaces', 'foreign.other.svc.cluster.local', beta, ['one', 'two']],
  [
    "the root namespace's clients too go by the service's rule first",
    'foreign.other.svc.cluster.local',
    ofRoot,
    ['one', 'two'],
  ],
] as const)('%s', async ([, host, from, apps]) => {
  expect(await appsOf(host, from)).toEqual(apps)
})

test('a rule that selects the client stands before those for all', async () => {
  expect(await appsOf('reviews', beta)).toHaveLength(1)
})

test("the root namespace's clients go by the rules that it keeps to itself before the service's", async () => {
  expect(await appsOf('reviews.default.svc.cluster.local', ofRoot)).toHaveLength(1)
})

test('each of several weighted destinations is hashed by what its own rule says', async () => {
  const apps = await appsOf('weighted', plain, 40)
  expect(apps).toHaveLength(2)
  expect(apps).toContain('first')
})
