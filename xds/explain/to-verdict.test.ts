import { describe, expect, test } from 'vitest'
import { ExplainedScene } from '#test/compile/explain.ts'

const service = (name: string, endpoints: string, address = '10.96.0.1') =>
  `{host: ${name}, ports: [http:80], fields: {addresses: [${address}]}, endpoints: {${endpoints}}}`
const rule = (name: string, policy: string) => `
  - apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: ${name}, namespace: default}
    spec: {host: ${name}, trafficPolicy: {${policy}}}`
const scene = (
  services: readonly string[],
  config: string,
  served = 'sidecar/default/client, sidecar/default/v1',
  meshConfig = '',
) =>
  new ExplainedScene(
    `
about: What becomes of the calls.
settings: {meshConfig: {${meshConfig}}}
services: [${services.join(', ')}]
workloads:
  client: {address: 10.0.0.1, capture: transparent}
  v1: {address: 10.0.0.2, labels: {version: v1}, capture: transparent}
  v2: {address: 10.0.0.3, labels: {version: v2}, capture: transparent}
config: [${config === '' ? ']' : `]\nconfig:${config}`}
proxies: [${served}]
`.replace('config: []\n', ''),
  )

const v1 = 'v1: {address: 10.0.0.2, labels: {version: v1}}'
const v2 = 'v2: {address: 10.0.0.3, labels: {version: v2}}'

const filter = (workload: string, context: string, applyTo: string, value: string) => `
  - apiVersion: networking.istio.io/v1alpha3
    kind: EnvoyFilter
    metadata: {name: own, namespace: default}
    spec:
      workloadSelector: {labels: {version: ${workload}}}
      configPatches:
        - applyTo: ${applyTo}
          match: {context: ${context}}
          patch: {operation: INSERT_FIRST, value: ${value}}`
const type = (name: string) => `'@type': type.googleapis.com/envoy.extensions.filters.${name}`
const denyAll = `{name: deny-all, typed_config: {${type('http.rbac.v3.RBAC')}, rules: {action: ALLOW, policies: {}}}}`

describe('beyond somebody who cannot be asked', () => {
  test('nobody claims that a call arrives', async () => {
    const { verdict } = await scene([service('a', v2)], '').explain({ host: 'a' })
    expect(verdict).toMatchObject({ outcome: 'unknown', reachable: false, share: 0, unknownShare: 1 })
    expect(verdict).toMatchObject({ code: 'not-followed', text: expect.stringContaining('10.0.0.3:80') as unknown })
  })

  test('neither for a share', async () => {
    const { verdict } = await scene([service('a', `${v1}, ${v2}`)], '').explain({ host: 'a' })
    expect(verdict).toMatchObject({ outcome: 'unknown', code: 'not-followed', share: 0.5, unknownShare: 0.5 })
  })

  test('neither behind a gateway', async () => {
    const { verdict } = await new ExplainedScene(`
about: All endpoints are on another network.
clusters: {west: {network: network-2, gateways: [{address: 192.0.2.9, port: 15443}]}}
services: [{host: a, ports: [http:80], fields: {addresses: [10.96.0.1]}, remote: {west: [{weight: 3, ports: [http]}]}}]
workloads: {client: {address: 10.0.0.1, capture: transparent}}
proxies: [sidecar/default/client]
`).explain({ host: 'a' })
    expect(verdict).toMatchObject({ outcome: 'unknown', code: 'not-followed' })
    expect(verdict.text).toContain('gateway of west')
  })
})

describe('endpoints of which none is healthy', () => {
  const ending = service('a', 'v1: {address: 10.0.0.2, health: draining}')

  test('are tried all the same', async () => {
    expect((await scene([ending], '').explain({ host: 'a' })).verdict).toMatchObject({ outcome: 'reachable' })
  })

  test.each(['outlierDetection: {consecutive5xxErrors: 5}'])('are not, with %s', async (policy) => {
    const { verdict } = await scene([ending], rule('a', policy)).explain({ host: 'a' })
    expect(verdict).toMatchObject({ outcome: 'not-reachable', code: 'no-endpoints', answer: 503 })
  })
})

describe('filters that are not looked into', () => {
  const lua = `{name: a, typed_config: {${type('http.lua.v3.Lua')}, default_source_code: {inline_string: ''}}}`

  test.each([
    ['HTTP_FILTER', lua],
    ['HTTP_FILTER', `{name: a, typed_config: {${type('http.of_my_own.v3.Mine')}}}`],
    ['HTTP_FILTER', `{name: a, typed_config: {${type('http.rbac.v3.RBAC')}, matcher: {matcher_list: {matchers: []}}}}`],
    ['NETWORK_FILTER', `{name: a, typed_config: {${type('network.ext_authz.v3.ExtAuthz')}, stat_prefix: a}}`],
  ])('make it unknown who is let in: %s %s', async (applyTo, value) => {
    const own = filter('v1', 'SIDECAR_INBOUND', applyTo, value)
    const { verdict } = await scene([service('a', v1)], own).explain({ host: 'a' })
    expect(verdict).toMatchObject({ outcome: 'unknown', reachable: false, code: 'access-not-known' })
    expect(verdict.text).toContain('sidecar/default/v1')
  })

  test("of the client's own proxy too", async () => {
    const own = filter('client', 'SIDECAR_OUTBOUND', 'HTTP_FILTER', lua)
    const text = own.replace('workloadSelector: {labels: {version: client}}', '')
    const { verdict } = await scene([service('a', v1)], text).explain({ host: 'a' })
    expect(verdict).toMatchObject({ outcome: 'unknown', code: 'access-not-known' })
    expect(verdict.text).toContain('a (lua) of sidecar/default/client')
  })

  test('beside one that is not, what policies say is told, and not believed', async () => {
    const both =
      filter('v1', 'SIDECAR_INBOUND', 'HTTP_FILTER', denyAll) +
      filter('v1', 'SIDECAR_INBOUND', 'HTTP_FILTER', lua).replace('name: own', 'name: more')
    const { verdict, ways } = await scene([service('a', v1)], both).explain({ host: 'a' })
    expect(verdict).toMatchObject({ outcome: 'unknown', code: 'access-not-known' })
    expect(ways[0]?.steps.at(-1)).toMatchObject({ stage: 'policy', judgement: { outcome: 'denied' } })
  })

  test('what can not be run lets nobody in, whatever else is there, and says by which kind', async () => {
    const extension = `
  - apiVersion: policy.atoll.dev/v1alpha1
    kind: ProxyExtension
    metadata: {name: a, namespace: default}
    spec: {provider: {name: gone}}`
    const own = filter('v1', 'SIDECAR_INBOUND', 'HTTP_FILTER', lua)
    const { verdict } = await scene([service('a', v1)], extension + own).explain({ host: 'a' })
    expect(verdict).toMatchObject({
      code: 'denied-by-policy',
      text: expect.stringContaining('its ProxyExtension can not be run') as unknown,
      fix: expect.stringContaining('atoll get ProxyExtension') as unknown,
    })
  })

  test('those that say who may call are', async () => {
    const own = filter('v1', 'SIDECAR_INBOUND', 'HTTP_FILTER', denyAll)
    const { verdict } = await scene([service('a', v1)], own).explain({ host: 'a' })
    expect(verdict).toMatchObject({ outcome: 'not-reachable', code: 'denied-by-policy', answer: 403 })
  })

  test.each([
    ['HTTP_ROUTE', '{direct_response: {status: 403}}'],
    ['VIRTUAL_HOST', '{require_tls: ALL}'],
  ])('neither are routes of the called proxy that answer themselves: %s %s', async (applyTo, value) => {
    const own = filter('v1', 'SIDECAR_INBOUND', applyTo, value).replace('INSERT_FIRST', 'MERGE')
    const { verdict } = await scene([service('a', v1)], own).explain({ host: 'a' })
    expect(verdict).toMatchObject({ outcome: 'unknown', code: 'access-not-known' })
  })

  test('nor where a route leads that the request itself chooses', async () => {
    const own = filter('v1', 'SIDECAR_OUTBOUND', 'HTTP_ROUTE', '{route: {cluster_header: x-to}}')
      .replace('INSERT_FIRST', 'MERGE')
      .replace('workloadSelector: {labels: {version: v1}}', '')
    const { verdict } = await scene([service('a', v1)], own).explain({ host: 'a' })
    expect(verdict).toMatchObject({ outcome: 'unknown', reachable: false, code: 'not-followed' })
  })

  test('but those that let everything through do not', async () => {
    const own = filter(
      'v1',
      'SIDECAR_INBOUND',
      'HTTP_FILTER',
      `{name: a, typed_config: {${type('http.grpc_web.v3.GrpcWeb')}}}`,
    )
    expect((await scene([service('a', v1)], own).explain({ host: 'a' })).verdict.outcome).toBe('reachable')
  })
})

describe('what somebody else is asked about', () => {
  const config = `
  - apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: asked, namespace: default}
    spec: {action: CUSTOM, provider: {name: authz}, rules: [{to: [{operation: {paths: [/asked]}}]}]}
  - apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: closed, namespace: default}
    spec: {action: DENY, rules: [{to: [{operation: {paths: [/closed]}}]}]}`
  const withProvider = (provider: string) =>
    scene(
      [service('a', v1), service('authz', v2, '10.96.0.2')],
      config,
      `sidecar/default/client, sidecar/default/v1`,
      provider,
    )
  const provider =
    'extensionProviders: [{name: authz, envoyExtAuthzHttp: {service: authz.default.svc.cluster.local, port: 80}}]'

  test.each([
    [
      '/asked',
      'access-not-known',
      'AuthorizationPolicy/default/asked rules[0] says depends on what is not known: what its provider says',
    ],
    ['/closed', 'denied-by-policy', 'Denied by AuthorizationPolicy/default/closed rules[0]'],
    ['/other', 'reachable', 'It arrives'],
  ])('%s: %s', async (path, code, text) => {
    const { verdict } = await withProvider(provider).explain({ host: 'a', path })
    expect(verdict).toMatchObject({ code, text: expect.stringContaining(text) as unknown })
  })

  test('is denied where nobody can be asked', async () => {
    const { verdict } = await withProvider('extensionProviders: []').explain({ host: 'a', path: '/asked' })
    expect(verdict).toMatchObject({
      code: 'denied-by-policy',
      decidedBy: [{ object: 'AuthorizationPolicy/default/asked' }],
    })
  })
})

describe('a share of the calls', () => {
  test('is aborted on purpose', async () => {
    const explanation = await scene(
      [service('a', v1)],
      `
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: a, namespace: default}
    spec: {hosts: [a], http: [{fault: {abort: {httpStatus: 503, percentage: {value: 99}}}, route: [{destination: {host: a}}]}]}`,
    ).explain({ host: 'a' })
    const { verdict, ways } = explanation
    expect(verdict).toMatchObject({
      outcome: 'partly-reachable',
      reachable: false,
      code: 'fault-injected',
      answer: 503,
    })
    expect(verdict.share).toBeCloseTo(0.01)
    expect(ways.map(({ share }) => Math.round(share * 100))).toEqual([99, 1])
    expect(verdict.text).toContain('1 % of the calls arrive')
  })

  test('is stopped, and of the others nothing is known', async () => {
    const both = service('a', `${v1}, ${v2}`)
    const own = scene([both], rule('a', 'tls: {mode: DISABLE}'), 'sidecar/default/client, sidecar/default/v1')
    const { verdict } = await own.explain({ host: 'a' })
    expect(verdict).toMatchObject({
      outcome: 'partly-reachable',
      share: 0,
      unknownShare: 0.5,
      code: 'plaintext-to-strict',
    })
    expect(verdict.text).toContain('Of 50 % of the calls it is not known')
  })

  test('comes to an endpoint that takes it, and another to one that does not', async () => {
    const both = service('a', `${v1}, x: {address: 10.0.0.9, tls: none, weight: 3}`)
    const { verdict } = await scene([both], rule('a', 'tls: {mode: DISABLE}')).explain({ host: 'a' })
    expect(verdict).toMatchObject({ outcome: 'partly-reachable', share: 0.75, code: 'plaintext-to-strict' })
  })
})
