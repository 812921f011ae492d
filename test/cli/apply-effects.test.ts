import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { typeUrls } from '#xds/type-url.ts'
import { runFake, type FakeAnswer } from './fake-io.ts'

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

const toRecord = (path: string, more: object = {}) => ({
  time: '2026-11-21T11:59:00.000000Z',
  cluster: 'west',
  proxy,
  reporter: 'destination',
  request_protocol: 'http',
  source_principal: web,
  method: 'GET',
  authority: 'reviews:9080',
  path,
  response_code: 200,
  ...more,
})

interface Shown {
  readonly filters: readonly Readonly<Record<string, unknown>>[]
}

/** A plane whose one proxy has these policies. */
const applyTo = async (
  present: readonly string[],
  proposed: string,
  records: readonly object[],
  args: readonly string[] = [],
) => {
  const file = write(
    'present.yaml',
    [workload, ...present.map((spec, index) => toPolicy(`p${index}`, spec))].join('\n---'),
  )
  const { stdout } = await runFake(['xds', file, '--proxy', proxy, '-o', 'json'])
  const { filters } = JSON.parse(stdout) as Shown
  const resources = filters.map((body) => ({
    typeUrl: typeUrls.extensionConfig,
    name: String(body['name']),
    version: '1',
    body,
  }))
  const authorizations = present.map((spec, index) => ({
    object: `AuthorizationPolicy/shop/p${index}`,
    origin: 'mesh',
    action: spec.includes('DENY') ? 'DENY' : 'ALLOW',
    dryRun: false,
  }))
  const policies = {
    peers: { rest: { mode: 'STRICT' }, ports: {} },
    authorizations,
    tokens: [],
    labels: { app: 'reviews' },
  }
  const settings = {
    meshId: 'm',
    meshName: 'shop',
    trustDomain: 'offline.example',
    domainSuffix: 'cluster.local',
    inboundMtls: 'strict',
    meshConfig: {},
  }
  const ok = (body: object): FakeAnswer => ({ status: 200, body })
  return runFake(['apply', '-f', write('proposed.yaml', proposed), '--dry-run', ...args], {
    answers: {
      'POST /v1/meshes/shop/configuration': ok({
        revision: 7,
        changes: [{ key: 'AuthorizationPolicy/shop/p0', action: 'updated' }],
        problems: [],
      }),
      'GET /v1/meshes/shop': ok({
        id: 'm',
        name: 'shop',
        settings,
        revision: 7,
        clusters: 1,
        createdAt: '2026-11-21T12:00:00Z',
      }),
      'GET /v1/meshes/shop/logs': ok({ items: records, nextCursor: null, unavailable: [] }),
      [`GET /v1/meshes/shop/proxies/west/${encodeURIComponent(proxy)}/config`]: ok({
        name: proxy,
        cluster: 'west',
        revision: 7,
        resources,
        policies,
      }),
    },
  })
}

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
  const { code, stdout, stderr } = await applyTo([reviews], proposed, [...seen, toRecord('/reviews/2')])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatchSnapshot()
})

it.each([
  [
    'a policy beside it that denies',
    ['x'],
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
])('of %s', async (_, present, name, spec, expected) => {
  const own = present[0] === 'x' ? [reviews] : present
  const { stdout } = await applyTo(own, toPolicy(name, spec), seen, ['-o', 'json'])
  const { effects } = JSON.parse(stdout) as { effects: { changed: { after: string; times: number }[] } }
  const counts = Map.groupBy(effects.changed, ({ after }) => after)
  expect([...counts].map(([after, all]) => `${after} ${all.reduce((sum, { times }) => sum + times, 0)}`)).toEqual(
    expected,
  )
})

it('says nothing of what it is not for, or of other kinds', async () => {
  const other = toPolicy('p9', reviews).replace('app: reviews', 'app: other')
  const { stdout } = await applyTo([reviews], other, seen)
  expect(stdout).toContain('the policies are for 0 of the proxies that were called:\n  nothing changes')
})
