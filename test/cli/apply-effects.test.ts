import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { typeUrls } from '#xds/type-url.ts'
import type { AccessLog } from '#api/schemas/telemetry.ts'
import { parse } from 'yaml'
import { runFake, type FakeAnswer, type FakeWorld } from './fake-io.ts'

let folder: string
const write = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'atoll-effects-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const toPolicy = (name: string, spec: string) => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ${name}, namespace: shop}
spec: {selector: {matchLabels: {app: reviews}}, ${spec}}`

const workload = `
apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: shop}
spec: {selector: {app: reviews}, ports: [{name: http, port: 9080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: reviews, namespace: shop}
spec: {template: {metadata: {labels: {app: reviews}}, spec: {serviceAccountName: reviews, containers: [{name: app, image: a}]}}}`

const proxy = 'sidecar/shop/reviews'
const web = 'spiffe://offline.example/ns/shop/sa/web'

const toRecord = (path: string, more: Partial<AccessLog> = {}): AccessLog => ({
  time: '2026-11-21T11:59:00.000000Z',
  cluster: 'west',
  proxy,
  reporter: 'destination',
  request_protocol: 'http',
  revision: 7,
  source_principal: web,
  source_workload: 'web',
  source_workload_namespace: 'shop',
  destination_workload: 'reviews',
  destination_workload_namespace: 'shop',
  connection_security_policy: 'mutual_tls',
  source_address: '10.0.0.1:4711',
  upstream_host: '127.0.0.1:9080',
  method: 'GET',
  authority: 'reviews:9080',
  path,
  response_code: 200,
  ...more,
})

type Shown = Readonly<Record<'listeners' | 'clusters' | 'filters', readonly Readonly<Record<string, unknown>>[]>>

/** What a proxy of these files is served. */
const serve = async (file: string) => {
  const { stdout } = await runFake(['xds', file, '--proxy', proxy, '-o', 'json'])
  const { listeners, clusters, filters } = JSON.parse(stdout) as Shown
  const toResources = (typeUrl: string, bodies: Shown['filters']) =>
    bodies.map((body) => ({ typeUrl, name: String(body['name']), version: '1', body }))
  return [
    ...toResources(typeUrls.listener, listeners),
    ...toResources(typeUrls.cluster, clusters),
    ...toResources(typeUrls.extensionConfig, filters),
  ]
}

const ok = (body: object): FakeAnswer => ({ status: 200, body })
const page = (items: readonly unknown[], nextCursor: string | null = null) => ok({ items, nextCursor, unavailable: [] })

interface Plane {
  /** Specs of AuthorizationPolicies p0, p1 …; the mesh has them, and the proxy of `reviews` is served what follows. */
  readonly policies?: readonly string[]
  readonly mode?: 'STRICT' | 'PERMISSIVE'
  /** The mesh's setting says so, and no object. */
  readonly isMeshWide?: boolean
  readonly records: readonly AccessLog[] | ((url: URL) => FakeAnswer)
  readonly graph?: object
  /** Keys that the write changes. */
  readonly changes?: readonly string[]
}

const toWorld = async ({
  policies = [],
  mode = 'STRICT',
  isMeshWide = false,
  records,
  graph,
  changes = [],
}: Plane): Promise<FakeWorld> => {
  const peer = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: shop}
spec: {mtls: {mode: ${mode}}}`
  const own = policies.map((spec, index) => toPolicy(`p${index}`, spec))
  const resources = await serve(write('present.yaml', [workload, peer, ...own].join('\n---')))
  const stored = [...(isMeshWide ? [] : [peer]), ...own].map((text) => {
    const object = parse(text) as { kind: string; metadata: { name: string } }
    const key = `${object.kind}/shop/${object.metadata.name}`
    return { key, revision: 7, updatedAt: '2026-11-21T12:00:00Z', object }
  })
  const told = {
    peers: { rest: { mode, ...(!isMeshWide && { object: 'PeerAuthentication/shop/default' }) }, ports: {} },
    authorizations: policies.map((spec, index) => ({
      object: `AuthorizationPolicy/shop/p${index}`,
      origin: 'mesh',
      action: spec.includes('DENY') ? 'DENY' : 'ALLOW',
      dryRun: false,
    })),
    tokens: [],
    labels: { app: 'reviews' },
    ownPeers: [],
  }
  const settings = {
    meshId: 'm',
    meshName: 'shop',
    trustDomain: 'offline.example',
    domainSuffix: 'cluster.local',
    inboundMtls: isMeshWide ? mode.toLowerCase() : 'strict',
    meshConfig: {},
  }
  const result = ok({ revision: 7, changes: changes.map((key) => ({ key, action: 'updated' })), problems: [] })
  const gone = ok({ revision: 7, changes: changes.map((key) => ({ key, action: 'deleted' })), problems: [] })
  return {
    answers: {
      'POST /v1/meshes/shop/configuration': result,
      'DELETE /v1/meshes/shop/configuration/PeerAuthentication/shop/default': gone,
      'POST /v1/meshes/shop/revisions/3/rollback': result,
      'GET /v1/meshes/shop/revisions/7/diff': page(
        stored.map(({ key, object }) => ({ key, action: 'created', before: null, after: object })),
      ),
      'GET /v1/meshes/shop': ok({
        id: 'm',
        name: 'shop',
        settings,
        revision: 7,
        clusters: 1,
        createdAt: '2026-11-21T12:00:00Z',
      }),
      'GET /v1/meshes/shop/configuration': (url) =>
        page(stored.filter(({ object }) => object.kind === url.searchParams.get('kind'))),
      'GET /v1/meshes/shop/proxies': page([]),
      'GET /v1/meshes/shop/logs': Array.isArray(records) ? page(records) : (records as (url: URL) => FakeAnswer),
      ...(graph && { 'GET /v1/meshes/shop/metrics/graph': ok(graph) }),
      [`GET /v1/meshes/shop/proxies/west/${encodeURIComponent(proxy)}/config`]: ok({
        name: proxy,
        cluster: 'west',
        revision: 7,
        resources,
        policies: told,
      }),
    },
  }
}

const applyTo = async (plane: Plane, proposed: string, args: readonly string[] = []) => {
  const [, kind = '', name = ''] = /kind: (\w+)[^]*name: ([\w-]+)/.exec(proposed) ?? []
  const world = await toWorld({ changes: [`${kind}/shop/${name}`], ...plane })
  return runFake(['apply', '-f', write('proposed.yaml', proposed), '--dry-run', ...args], world)
}

interface Told {
  readonly looked: number
  readonly total: number | null
  readonly isAll: boolean
  readonly changed: readonly { readonly source: string; readonly after: string; readonly times: number }[]
}
const readEffects = (stdout: string): Told => (JSON.parse(stdout) as { effects: Told }).effects

const reviews = 'rules: [{to: [{operation: {paths: [/reviews/*]}}]}]'
const seen = [
  toRecord('/reviews/1'),
  toRecord('/reviews/1?x=y'),
  toRecord('/other', { response_code: 403, policy_verdict: 'denied:none' }),
]

it('tells which calls that were seen would be denied, or allowed, and what is not known of them', async () => {
  const proposed = toPolicy(
    'p0',
    `rules: [{to: [{operation: {paths: [/other]}}]}, {to: [{operation: {paths: [/reviews/2]}}], when: [{key: 'request.headers[x-role]', values: [a]}]}]`,
  )
  const { code, stdout, stderr } = await applyTo(
    { policies: [reviews], records: [...seen, toRecord('/reviews/2')] },
    proposed,
  )
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatchSnapshot()
})

it.each([
  [
    'a policy beside it that denies',
    [reviews],
    'p9',
    'action: DENY, rules: [{to: [{operation: {paths: [/reviews/*]}}]}]',
    ['denied 2'],
  ],
  ['the same again', [reviews], 'p0', reviews, []],
  ['one more that allows', [reviews], 'p9', 'rules: [{}]', ['allowed 1']],
  [
    'the only one that allows, for others',
    [reviews],
    'p0',
    `action: DENY, rules: [{to: [{operation: {paths: [/none]}}]}]`,
    ['allowed 1'],
  ],
  ['an ALLOW policy without rules', [], 'p9', 'rules: []', ['denied 3']],
  ['a dry run in its place', [reviews], 'p0, annotations: {istio.io/dry-run: "true"}', reviews, ['allowed 1']],
])('of %s', async (_, policies, name, spec, expected) => {
  const { stdout } = await applyTo({ policies, records: seen }, toPolicy(name, spec), ['-o', 'json'])
  const counts = Map.groupBy(readEffects(stdout).changed, ({ after }) => after)
  expect([...counts].map(([after, all]) => `${after} ${all.reduce((sum, { times }) => sum + times, 0)}`)).toEqual(
    expected,
  )
})

it('says nothing of what it is not for, or of other kinds', async () => {
  const other = toPolicy('p9', reviews).replace('app: reviews', 'app: other')
  const { stdout } = await applyTo({ policies: [reviews], records: seen }, other)
  expect(stdout).toContain('the change is for 0 of the workloads that were called:\n  nothing changes')
})

const plain = (address: string, agent: string) =>
  toRecord('/metrics', {
    connection_security_policy: 'none',
    source_principal: undefined,
    source_workload: undefined,
    source_workload_namespace: undefined,
    source_address: address,
    user_agent: agent,
  })
const strict = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: shop}
spec: {mtls: {mode: STRICT}}`

it('tells who calls in plaintext and would be cut off', async () => {
  const records = [
    ...seen,
    plain('10.0.0.9:1', 'Prometheus/2.53.0 (linux)'),
    plain('10.0.0.8:1', 'Prometheus/2.53.0'),
    plain('10.0.0.7:1', 'evil\u001B[2J\nfoo'),
  ]
  const { code, stdout } = await applyTo({ mode: 'PERMISSIVE', records }, strict)
  expect(code).toBe(0)
  expect(stdout).toMatchSnapshot()
})

it('tells it of the setting that holds where no object says anything', async () => {
  const records = [plain('10.0.0.9:1', 'curl/8')]
  const world = await toWorld({ mode: 'PERMISSIVE', isMeshWide: true, records })
  const { code, stdout } = await runFake(['mesh', 'set', 'shop', '--inbound-mtls', 'strict', '--dry-run'], world)
  expect(code).toBe(0)
  expect(stdout).toContain(
    "denied then: curl/8 at 10.0.0.9 calls GET reviews:9080/metrics at shop/reviews in west, in plaintext, 1 time, by the mesh's setting inboundMtls",
  )
  const same = await runFake(['mesh', 'set', 'shop', '--inbound-mtls', 'permissive', '--dry-run'], world)
  expect(same.stdout).not.toContain('Of the')
})

it('tells it of what is deleted, and of a rollback', async () => {
  const plane = {
    mode: 'PERMISSIVE' as const,
    records: [plain('10.0.0.9:1', 'curl/8')],
    changes: ['PeerAuthentication/shop/default'],
  }
  const world = await toWorld(plane)
  const deleted = await runFake(['delete', 'PeerAuthentication/shop/default', '--dry-run', '--since', '1d'], world)
  expect(deleted.stdout).toContain('of the last 24h;')
  expect(deleted.stdout).toContain(
    "denied then: curl/8 at 10.0.0.9 calls GET reviews:9080/metrics at shop/reviews in west, in plaintext, 1 time, by the mesh's setting inboundMtls",
  )
  const back = await runFake(['revision', 'rollback', '3', '--dry-run', '-o', 'json'], world)
  expect(readEffects(back.stdout).changed).toMatchObject([{ source: 'curl/8', after: 'denied' }])
})

const red = {
  errorRate: 0,
  errorRatio: 0,
  p50: 1,
  p90: 1,
  p99: 1,
  codes: {},
  tcp: { openedRate: 0, sentByteRate: 0, receivedByteRate: 0 },
}
const toNode = (workload: string) => ({
  id: `west/shop/${workload}`,
  workload,
  namespace: 'shop',
  cluster: 'west',
  services: [],
  requestRate: 0,
  ...red,
})
const toEdge = (workload: string, requestRate: number) => ({
  source: `west/shop/${workload}`,
  destination: 'west/shop/reviews',
  service: 'reviews',
  protocol: 'http',
  reporter: 'destination',
  mutualTls: true,
  requestRate,
  ...red,
})
/** A graph of who calls `reviews`, and how often a second. */
const toGraph = (rates: Readonly<Record<string, number>>) => ({
  from: '2026-11-21T11:00:00Z',
  to: '2026-11-21T12:00:00Z',
  stepSeconds: 60,
  folded: 0,
  unavailable: [],
  clusters: [],
  nodes: [...Object.keys(rates), 'reviews'].map(toNode),
  edges: Object.entries(rates).map(([workload, rate]) => toEdge(workload, rate)),
})

it('looks at some calls of everyone, however much one of them calls', async () => {
  const graph = toGraph({ web: 100, batch: 2 / 3600 })
  const asked: string[] = []
  const toRecords = (source: string, count: number) =>
    Array.from({ length: count }, (_, index) =>
      toRecord('/reviews/1', {
        source_principal: `spiffe://offline.example/ns/shop/sa/${source}`,
        source_workload: source,
        request_id: `${source} ${asked.length} ${index}`,
      }),
    )
  const records = (url: URL): FakeAnswer => {
    const source = url.searchParams.get('source') ?? 'anybody'
    asked.push(`${source} ${url.searchParams.get('limit')} ${url.searchParams.get('security')}`)
    if (source === 'anybody') return page(toRecords('new', 1))
    return source === 'web' ? page(toRecords('web', 100), 'more') : page(toRecords('batch', 2))
  }
  const { stdout } = await applyTo({ records, graph }, toPolicy('p9', 'rules: []'), ['-o', 'json'])
  const kinds = Map.groupBy(asked, (each) => each)
  expect([...kinds].map(([kind, all]) => `${all.length} times ${kind}`).toSorted()).toEqual([
    '1 times anybody 100 null',
    '1 times batch 10 mutual_tls',
    '20 times web 100 mutual_tls',
  ])
  const { changed, ...effects } = readEffects(stdout)
  expect(effects).toMatchObject({ total: 360_002, isAll: false })
  expect(changed.map(({ source, times }) => `${source.split('/').at(-1)} ${times}`)).toEqual([
    'web 1990',
    'batch 2',
    'new 1',
  ])
  const text = await applyTo({ records, graph }, toPolicy('p9', 'rules: []'))
  expect(text.stdout).toContain(
    "Of 1993 of about 360002 requests and connections to shop of the last 60m, some of each caller's (less than 1 %);",
  )
})

it('does not take what has no record for nothing', async () => {
  const none = await applyTo({ records: () => page([]), graph: toGraph({ web: 100 }) }, toPolicy('p9', 'rules: []'))
  expect(none.stdout).toContain(
    "Of 0 of about 360000 requests and connections to shop of the last 60m, some of each caller's (less than 1 %);",
  )
})

it('says what could not be asked', async () => {
  const records = [...seen, toRecord('/', { proxy: 'sidecar/shop/gone', destination_workload: 'gone' })]
  const { stdout } = await applyTo({ records }, toPolicy('p9', 'rules: []'))
  expect(stdout).toContain('1 of those that were called could not be asked: shop/gone in west')
})
