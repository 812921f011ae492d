import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, test } from 'vitest'
import { apiRoutes } from '#api/openapi.ts'
import { createApp } from '#worker/app.ts'
import { callRoute } from './support/route-requests.ts'
import { joinTestCluster } from './support/test-agent.ts'
import { createTestMesh, makeToken, ORIGIN, setUpPlane } from './support/test-plane.ts'
import type { TestMesh } from './support/test-plane.ts'

/**
 * Who may do what, by hand: it shares nothing with `api/access.ts`, which has to come to the same. Each route is called with a token of
 * every role in every scope, about the mesh SHOP, its cluster "east", the namespace "team".
 *
 * `roles`: owner, admin, editor, viewer, telemetry. `scopes`: what a token may be confined to, m(esh), c(luster), n(amespace); a capital
 * letter: the answer is confined by itself, whatever the token is confined to.
 */
const SHOP = 'shop'
type Row = readonly [route: string, status: number, roles: string, scopes: string]

const mesh = '/v1/meshes/{mesh}'
const prometheus = `${mesh}/prometheus/api/v1`

const rows: readonly Row[] = [
  ['GET /v1/whoami', 200, 'OAEVT', 'MCN'],
  ['GET /v1/usage', 200, 'OAEV', ''],
  ['DELETE /v1/org', 400, 'O', ''],
  ['GET /v1/key-encryption', 200, 'OA', ''],

  ['GET /v1/tokens', 200, 'OAEV', 'M'],
  ['POST /v1/tokens', 201, 'OA', 'm'],
  ['DELETE /v1/tokens/{id}', 404, 'OA', 'M'],

  ['GET /v1/members', 200, 'OAEV', ''],
  ['POST /v1/members', 201, 'OA', ''],
  ['PATCH /v1/members/{id}', 404, 'OA', ''],
  ['DELETE /v1/members/{id}', 404, 'OA', ''],
  ['GET /v1/sign-in', 404, 'OAEV', ''],
  ['PUT /v1/sign-in', 400, 'O', ''],
  ['DELETE /v1/sign-in', 404, 'O', ''],
  ['GET /v1/sessions', 200, 'OAEV', 'MCN'],
  ['DELETE /v1/sessions/{id}', 404, 'OAEV', 'MCN'],

  ['GET /v1/meshes', 200, 'OAEV', 'MN'],
  ['POST /v1/meshes', 201, 'OA', ''],
  [`GET ${mesh}`, 200, 'OAEV', 'mN'],
  [`PATCH ${mesh}`, 200, 'OA', 'm'],
  [`DELETE ${mesh}`, 409, 'OA', 'm'],

  [`GET ${mesh}/clusters`, 200, 'OAEV', 'm'],
  [`GET ${mesh}/clusters/{cluster}`, 200, 'OAEV', 'mc'],
  [`DELETE ${mesh}/clusters/{cluster}`, 204, 'O', 'mc'],
  [`POST ${mesh}/clusters/{cluster}/confirm`, 404, 'OA', 'mc'],
  [`GET ${mesh}/join-tokens`, 200, 'OAEV', 'm'],
  [`POST ${mesh}/join-tokens`, 201, 'OA', 'mc'],
  [`DELETE ${mesh}/join-tokens/{id}`, 404, 'OA', 'm'],
  [`GET ${mesh}/clusters/{cluster}/machine-tokens`, 200, 'OAEV', 'mc'],
  [`POST ${mesh}/clusters/{cluster}/machine-tokens`, 201, 'OA', 'mc'],
  [`DELETE ${mesh}/clusters/{cluster}/machine-tokens/{id}`, 404, 'OA', 'mc'],

  [`POST ${mesh}/configuration`, 200, 'OAE', 'mn'],
  [`GET ${mesh}/configuration`, 200, 'OAEV', 'mn'],
  [`GET ${mesh}/configuration/{kind}/{namespace}/{name}`, 200, 'OAEV', 'mn'],
  [`DELETE ${mesh}/configuration/{kind}/{namespace}/{name}`, 200, 'OAE', 'mn'],
  [`GET ${mesh}/publish-grants`, 200, 'OAEV', 'm'],
  [`POST ${mesh}/publish-grants`, 201, 'OA', 'm'],
  [`DELETE ${mesh}/publish-grants/{id}`, 404, 'OA', 'm'],
  [`GET ${mesh}/revisions`, 200, 'OAEV', 'mN'],
  [`GET ${mesh}/revisions/{revision}`, 200, 'OAEV', 'mN'],
  [`GET ${mesh}/revisions/{revision}/diff`, 200, 'OAEV', 'mN'],
  [`POST ${mesh}/revisions/{revision}/rollback`, 200, 'OAE', 'mn'],
  [`GET ${mesh}/revisions/{revision}/delivery`, 200, 'OAEV', 'mN'],

  [`GET ${mesh}/services`, 200, 'OAEV', 'mcn'],
  [`GET ${mesh}/services/{namespace}/{hostname}`, 404, 'OAEV', 'mn'],
  [`GET ${mesh}/quotas`, 200, 'OAEV', 'mn'],
  [`GET ${mesh}/proxies`, 200, 'OAEV', 'mcN'],
  [`GET ${mesh}/proxies/{cluster}/{name}`, 503, 'OAEV', 'mcn'],
  [`GET ${mesh}/proxies/{cluster}/{name}/config`, 503, 'OAEV', 'mcn'],

  [`GET ${mesh}/trust`, 200, 'OAEV', 'm'],
  [`GET ${mesh}/trust/certificates`, 200, 'OAEV', 'mc'],
  [`GET ${mesh}/trust/rotation`, 404, 'OAEV', 'm'],
  [`POST ${mesh}/trust/rotation/pause`, 409, 'O', 'm'],
  [`POST ${mesh}/trust/rotation/resume`, 409, 'O', 'm'],
  [`POST ${mesh}/trust/rotation/rollback`, 409, 'O', 'm'],
  [`POST ${mesh}/trust/rotation/continue`, 409, 'O', 'm'],
  [`GET ${mesh}/trust/root-request`, 404, 'OAEV', 'm'],
  [`DELETE ${mesh}/trust/root-request`, 404, 'O', 'm'],
  [`POST ${mesh}/trust/root-request`, 200, 'O', 'm'],
  [`POST ${mesh}/trust/rotation`, 200, 'O', 'm'],
  [`POST ${mesh}/trust/issuers`, 422, 'O', 'm'],
  [`DELETE ${mesh}/trust/issuers/{issuer}`, 404, 'O', 'm'],

  [`GET ${mesh}/audit`, 200, 'OAEV', 'mc'],
  [`GET ${mesh}/audit/chain`, 200, 'OAEV', 'm'],
  ['GET /v1/audit', 200, 'OAEV', ''],
  ['GET /v1/audit/chain', 200, 'OAEV', ''],

  ['POST /v1/otlp/v1/{signal}', 200, 'OAT', 'MC'],
  [`GET ${mesh}/logs`, 200, 'OAEV', 'mcn'],
  [`GET ${mesh}/logs/tail`, 200, 'OAEV', 'mcn'],
  [`GET ${mesh}/traces`, 200, 'OAEV', 'mc'],
  [`GET ${mesh}/traces/{traceId}`, 200, 'OAEV', 'm'],
  [`GET ${mesh}/metrics/services`, 200, 'OAEV', 'mc'],
  [`GET ${mesh}/metrics/graph`, 200, 'OAEV', 'mc'],
  [`GET ${prometheus}/query`, 200, 'OAEV', 'm'],
  [`POST ${prometheus}/query`, 200, 'OAEV', 'm'],
  [`GET ${prometheus}/query_range`, 200, 'OAEV', 'm'],
  [`POST ${prometheus}/query_range`, 200, 'OAEV', 'm'],
  [`GET ${prometheus}/series`, 200, 'OAEV', 'm'],
  [`POST ${prometheus}/series`, 200, 'OAEV', 'm'],
  [`GET ${prometheus}/labels`, 200, 'OAEV', 'm'],
  [`POST ${prometheus}/labels`, 200, 'OAEV', 'm'],
  [`GET ${prometheus}/label/{label}/values`, 200, 'OAEV', 'm'],
  [`GET ${prometheus}/metadata`, 200, 'OAEV', 'm'],
  [`GET ${prometheus}/status/buildinfo`, 200, 'OAEV', 'm'],
  [`GET ${mesh}/metrics/federate`, 200, 'OAEV', 'm'],
]

/** These need no token, or are given one in the request. */
const open = [
  'GET /healthz',
  'POST /v1/setup',
  'GET /v1/sign-in/begin',
  'GET /v1/sign-in/browser',
  'GET /v1/sign-in/callback',
  'POST /v1/sign-in/token',
  'POST /v1/sign-in/device',
  'POST /v1/sign-in/device/token',
  'POST /v1/join',
  'GET /v1/uplink/{meshId}',
]

const roles = { O: 'owner', A: 'admin', E: 'editor', V: 'viewer', T: 'telemetry' } as const
type Letter = keyof typeof roles

const scopes = [
  { kind: '', own: true, scopes: {} },
  { kind: 'm', own: true, scopes: { mesh: SHOP } },
  { kind: 'm', own: false, scopes: { mesh: 'other' } },
  { kind: 'c', own: true, scopes: { mesh: SHOP, cluster: 'east' } },
  { kind: 'c', own: false, scopes: { mesh: SHOP, cluster: 'west' } },
  { kind: 'n', own: true, scopes: { mesh: SHOP, namespace: 'team' } },
  { kind: 'n', own: false, scopes: { mesh: SHOP, namespace: 'rest' } },
] as const
type Scope = (typeof scopes)[number]

const toExpected = ([route, status, allowed, confined]: Row, letter: string, { kind, own }: Scope): string => {
  if (!allowed.includes(letter)) return 'forbidden'
  const isForAll = kind === '' || confined.includes(kind.toUpperCase())
  if (!isForAll && !confined.includes(kind)) return 'forbidden'
  if (own || isForAll) return String(status)
  return kind === 'm' && route.includes('{mesh}') ? 'no mesh' : 'forbidden'
}

const values = {
  mesh: SHOP,
  cluster: 'east',
  kind: 'Sidecar',
  namespace: 'team',
  revision: '1',
  label: 'job',
  signal: 'logs',
  traceId: '0a'.repeat(16),
}
/** A proxy is not just "x": it says its namespace. */
const valuesOf = (route: string) => ({
  ...values,
  ...(route.includes('/proxies/') && { name: 'sidecar/team/x' }),
  ...(route.endsWith('/rollback') && { revision: '0' }),
})

const call = async (route: string, token: string): Promise<string> => {
  const { status, text } = await callRoute(route, valuesOf(route), token)
  if (status === 403) return 'forbidden'
  return status === 404 && text.includes('no mesh') ? 'no mesh' : String(status)
}

let shop: TestMesh
/** By role and scope. The API does not make all of them: the plane refuses them all the same. */
const tokens = new Map<string, string>()

const rejoin = async (): Promise<void> => {
  if ((await shop.send('GET', '/clusters/east')).status === 404) await joinTestCluster(shop, 'east', 'net-a')
}

beforeAll(async () => {
  shop = await createTestMesh({ name: SHOP })
  await createTestMesh({ name: 'other' })
  await callRoute(`POST ${mesh}/configuration`, values, shop.token)
  await rejoin()
  for (const scope of scopes)
    for (const letter of Object.keys(roles) as Letter[]) {
      const made = await makeToken({ role: 'viewer', scopes: scope.scopes })
      await env.DB.prepare('UPDATE tokens SET role = ? WHERE id = ?').bind(roles[letter], made.id).run()
      tokens.set(`${letter} ${JSON.stringify(scope.scopes)}`, made.secret)
    }
})

const verdicts = rows.length * Object.keys(roles).length * scopes.length

describe(`who may do what: ${verdicts} verdicts, of ${rows.length} routes × ${Object.keys(roles).length} roles × ${scopes.length} scopes`, () => {
  test('has a row for every route', () => {
    const routes = apiRoutes.map(({ method, path }) => `${method.toUpperCase()} ${path}`)
    expect([...rows.map(([route]) => route), ...open].toSorted()).toEqual(routes.toSorted())
  })

  test.each(rows.map((row) => [row[0], row] as const))('%s', async (route, row) => {
    const [expected, found]: Record<string, string>[] = [{}, {}]
    for (const scope of scopes)
      for (const letter of Object.keys(roles) as Letter[]) {
        const name = `${letter} ${JSON.stringify(scope.scopes)}`
        if (expected) expected[name] = toExpected(row, letter, scope)
        if (route === `DELETE ${mesh}/clusters/{cluster}`) await rejoin()
        if (found) found[name] = await call(route, tokens.get(name) ?? '')
      }
    expect(found).toEqual(expected)
  })
})

describe('what the table does not have', () => {
  test('is not there, whoever serves it', async () => {
    const app = createApp()
    app.get('/v1/left-out', (c) => c.text('all of it'))
    app.all('/v1/left/:out', (c) => c.text('all of it'))
    const headers = { Authorization: `Bearer ${await setUpPlane()}` }
    for (const path of ['/v1/left-out', '/v1/left/out']) {
      expect((await app.request(`${ORIGIN}${path}`, {}, env)).status).toBe(401)
      expect((await app.request(`${ORIGIN}${path}`, { headers }, env)).status).toBe(404)
    }
  })

  test('is what nobody may: a role that this version does not know', async () => {
    const { id, secret } = await makeToken({ role: 'viewer' })
    await env.DB.prepare(`UPDATE tokens SET role = 'auditor' WHERE id = ?`).bind(id).run()
    expect(await call('GET /v1/meshes', secret)).toBe('forbidden')
  })
})
