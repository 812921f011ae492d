import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { apiRoutes } from '#api/openapi.ts'
import { callRoute } from './support/route-requests.ts'
import type { PathValues, RouteAnswer } from './support/route-requests.ts'
import { send } from './support/test-plane.ts'
import { encodeLogs, sendExport } from './support/test-telemetry.ts'
import { createVictim, makeRivalToken, MARK, SECRET, victimValues } from './support/two-tenants.ts'
import type { Victim } from './support/two-tenants.ts'

/** Those that a token of an org is for. */
const routes = apiRoutes
  .filter(({ security }) => security !== undefined)
  .map(({ method, path }) => `${method.toUpperCase()} ${path}`)
const naming = routes.filter((route) => route.includes('{mesh}') || route.includes('{id}'))

let victim: Victim
let rival: string
/** Whoever looks into the store of another mesh, or writes to one, is noticed. */
let opened: string[]

/** Everything of the victim that somebody could change. */
const readVictim = async () => {
  const { results } = await env.DB.prepare(
    `SELECT id, name, role FROM tokens WHERE org_id = (SELECT org_id FROM meshes WHERE id = ?) ORDER BY id`,
  )
    .bind(victim.mesh.id)
    .all()
  const reads = ['', '/clusters', '/join-tokens', '/publish-grants', '/configuration', '/revisions', '/trust', '/audit']
  const shown: unknown[] = []
  for (const path of [...reads, `/clusters/${victim.names.cluster}/machine-tokens`])
    shown.push((await victim.mesh.send('GET', path)).body)
  return JSON.stringify([results, shown]).replaceAll(/"lastSeenAt":"[^"]*"/g, '')
}

/** What is the same for things of others and for things that are not there. */
const toShape = ({ status, type, text }: RouteAnswer, values: PathValues): string => {
  let shape = text.replace(/"requestId":"[^"]*"/, '')
  // The longest first: an id may begin with what another value is.
  const longestFirst = Object.values(values).toSorted((a, b) => b.length - a.length)
  for (const value of longestFirst) shape = shape.replaceAll(` ${value}`, ' …')
  return `${status} ${type} ${shape}`
}

const countQueries = async <T>(body: () => Promise<T>): Promise<readonly [T, number]> => {
  const prepare = vi.spyOn(env.DB, 'prepare')
  const result = await body()
  const { length } = prepare.mock.calls
  prepare.mockRestore()
  return [result, length]
}

beforeAll(async () => {
  victim = await createVictim()
  rival = await makeRivalToken('owner')
})

describe(`of another org, an owner who has no meshes (${naming.length} routes)`, () => {
  test.each(naming)('finds nothing by %s, as if it were nowhere', async (route) => {
    opened = []
    const get = vi.spyOn(env.MESH, 'idFromName').mockImplementation((name) => {
      opened.push(name)
      throw new Error('a store was opened')
    })
    const values = victimValues(victim, route)
    const nowhere = Object.fromEntries(
      Object.entries(values).map(([name, value]) => [
        name,
        ['kind', 'revision', 'traceId', 'label'].includes(name)
          ? value
          : name === 'id'
            ? '0123456789abcdef'
            : value.replaceAll(MARK, 'null'),
      ]),
    )
    const [answer, queries] = await countQueries(() => callRoute(route, values, rival))
    const [other, otherQueries] = await countQueries(() => callRoute(route, nowhere, rival))
    get.mockRestore()
    expect([answer.status, answer.type]).toEqual([404, 'application/problem+json'])
    expect(toShape(answer, values)).toBe(toShape(other, nowhere))
    expect([queries, opened]).toEqual([otherQueries, []])
  })

  test('lists nothing of it', async () => {
    for (const path of ['/v1/meshes', '/v1/tokens', '/v1/audit']) {
      const { status, body } = await send('GET', path, { token: rival })
      expect([path, status, JSON.stringify(body).includes(SECRET)]).toEqual([path, 200, false])
    }
  })

  test('sends no telemetry into it', async () => {
    const { mesh, cluster } = victim.names
    const logs = encodeLogs([{ timeUs: Date.now() * 1000, attributes: { path: '/planted' } }], {
      'atoll.mesh': mesh,
      'k8s.cluster.name': cluster,
    })
    const answer = await sendExport('logs', rival, logs)
    expect(answer.text).toContain('there is no cluster')
    const found = await victim.mesh.send('GET', '/logs?path=/planted')
    expect(found.body).toMatchObject({ items: [] })
  })
})

describe('of another org, an owner who has a mesh of the same name', () => {
  /** These answer of what is not there that nothing is known of it. */
  const empty = [
    'GET /v1/meshes/{mesh}/traces/{traceId}',
    'GET /v1/meshes/{mesh}/prometheus/api/v1/label/{label}/values',
  ]

  beforeAll(async () => {
    await send('POST', '/v1/meshes', { token: rival, body: { name: victim.names.mesh } })
  })

  test.each(
    naming.filter((route) => !route.startsWith('DELETE /v1/meshes/{mesh} ') && route !== 'DELETE /v1/meshes/{mesh}'),
  )('finds nothing of the other by %s', async (route) => {
    const values = victimValues(victim, route)
    const answer = await callRoute(route, values, rival)
    const names = [...route.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
    const namesMore = names.length > 1 || names[0] === 'id'
    const isNotThere = namesMore && !empty.includes(route)
    expect(isNotThere ? answer.status : 404).toBe(404)
    expect(answer.status).not.toBe(500)
    expect(answer.text).not.toContain(SECRET)
  })
})

test('all of that has changed nothing', async () => {
  const before = await readVictim()
  for (const route of naming) {
    if (!route.startsWith('GET ')) await callRoute(route, victimValues(victim, route), rival)
  }
  expect(await readVictim()).toBe(before)
})
