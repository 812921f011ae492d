import { expect, it } from 'vitest'
import { runFake } from './fake-io.ts'

/** Answers with words that this version does not have. */
const createdAt = '2026-11-21T12:00:00.000Z'
const actor = { kind: 'robot', id: 'r', name: 'tidy' }
const revision = {
  revision: 7,
  createdAt,
  actor,
  operation: 'merge',
  rollbackTo: null,
  created: 1,
  updated: 0,
  deleted: 0,
  retained: true,
}
const certificate = {
  serial: '1f',
  kind: 'bridge',
  cluster: null,
  issuedAt: createdAt,
  notBefore: createdAt,
  notAfter: createdAt,
  fingerprint: 'ab',
  state: 'suspended',
}

it.each([
  [['revision', 'list'], 'GET /v1/meshes/shop/revisions', revision, /^7 .*tidy +merge /m],
  [['trust', 'certificates'], 'GET /v1/meshes/shop/trust/certificates', certificate, /bridge.*suspended/],
])('atoll %j shows the words of a newer plane as they are', async (args, route, item, shown) => {
  const answers = { [route]: { status: 200, body: { items: [item], nextCursor: null } } }
  const { code, stdout, stderr } = await runFake(args, { answers })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatch(shown)
  const json = await runFake([...args, '--output', 'json'], { answers })
  expect(JSON.parse(json.stdout)).toMatchObject({ items: [item] })
})

it('atoll apply shows what a newer plane did with an object', async () => {
  const body = { revision: 7, changes: [{ key: 'VirtualService/default/reviews', action: 'merged' }], problems: [] }
  const answers = { 'POST /v1/meshes/shop/configuration': { status: 200, body } }
  const { code, stdout } = await runFake(['apply', '-f', '-'], { answers, stdin: 'kind: VirtualService\n' })
  expect(code).toBe(0)
  expect(stdout).toBe('VirtualService default/reviews merged\nRevision 7: 1 merged\n')
})
