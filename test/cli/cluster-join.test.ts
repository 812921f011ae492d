import { describe, expect, it } from 'vitest'
import { toProblemDetails } from '#api/problem-details.ts'
import { runFake } from './fake-io.ts'
import type { FakeAnswer } from './fake-io.ts'

const token = {
  id: 't1',
  cluster: 'east',
  network: 'net-east',
  kind: 'universal',
  createdAt: '2026-11-21T12:00:00Z',
  expiresAt: '2026-11-21T13:00:00Z',
  usedAt: null,
  secret: 'atoll_join_t1_s',
}
const join = (clusters: FakeAnswer) =>
  runFake(['cluster', 'join', 'east', '--network', 'net-east'], {
    answers: {
      'GET /v1/meshes/shop/clusters': clusters,
      'POST /v1/meshes/shop/join-tokens': { status: 201, body: token },
    },
  })
const refused = (code: 'forbidden' | 'not_found', status: number): FakeAnswer => ({
  status,
  body: toProblemDetails(code, { detail: 'no', requestId: 'r1' }),
})

describe('atoll cluster join', () => {
  it('shows the token to who may see no other cluster', async () => {
    const { code, stdout, stderr } = await join(refused('forbidden', 403))
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining(token.secret) as string })
    expect(stderr).not.toContain('gateway')
  })

  it('makes no token that it would not come to show', async () => {
    const { code, calls } = await join(refused('not_found', 404))
    expect(code).not.toBe(0)
    expect(calls.map(({ method }) => method)).toEqual(['GET'])
  })
})
