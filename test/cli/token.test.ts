import { expect, it } from 'vitest'
import { runFake } from './fake-io.ts'

const token = {
  id: '4f9a',
  name: 'shop-team',
  role: 'editor',
  scopes: { mesh: 'prod', namespace: 'shop' },
  createdAt: '2026-11-21T12:00:00.000Z',
  expiresAt: '2027-02-19T12:00:00.000Z',
}

it('makes a token of a namespace, as it was asked for', async () => {
  const answers = { 'POST /v1/tokens': { status: 201, body: { ...token, secret: 'atoll_token_x' } } }
  const args = ['token', 'create', '--role', 'editor', '--for-mesh', 'prod', '--for-namespace', 'shop']
  const { code, stdout, stderr, calls } = await runFake([...args, '--name', 'shop-team'], { answers })
  expect({ code, shown: stdout + stderr }).toEqual({
    code: 0,
    shown: expect.stringContaining('editor of mesh prod, namespace shop') as string,
  })
  expect(JSON.parse(calls[0]?.body ?? '')).toEqual({
    name: 'shop-team',
    role: 'editor',
    scopes: { mesh: 'prod', namespace: 'shop' },
  })
})

it('makes none whose secret could not be written', async () => {
  const { code, stderr, calls } = await runFake(['token', 'create', '--out', `${import.meta.filename}/token`])
  expect({ code, stderr, calls }).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/--out .* cannot/),
    calls: [],
  })
})

it('shows what a token is confined to, also by words of a newer plane', async () => {
  const newer = { ...token, role: 'auditor', scopes: { ...token.scopes, workload: 'web' } }
  const answers = {
    'GET /v1/whoami': { status: 200, body: { org: 'acme', token: newer } },
    'GET /v1/tokens': { status: 200, body: { items: [token, newer], nextCursor: null } },
  }
  expect((await runFake(['whoami'], { answers })).stdout).toMatch(/Role +auditor\n *Scope +mesh prod, namespace shop/)
  const list = await runFake(['token', 'list'], { answers })
  expect(list.stdout).toMatch(/editor +mesh prod, namespace shop/)
  expect(list.stdout).toMatch(/auditor +mesh prod, namespace shop/)
})
