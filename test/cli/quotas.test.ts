import { expect, it } from 'vitest'
import type { QuotaUse } from '#api/schemas/quotas.ts'
import { runFake } from './fake-io.ts'

const use = (consumer: string, used: number, requests: number | null): QuotaUse => ({
  namespace: 'shop',
  rateLimit: 'plans',
  limit: 'daily',
  consumer,
  day: '2026-11-30',
  used,
  requests,
})

it('shows who has used how much of what, most of it first', async () => {
  const items = [use('ann', 40, 1000), use('bob\n\u001B[2J', 1010, 1000), use('gone', 5, null)]
  const { code, stdout, calls } = await runFake(['quotas', '-n', 'shop', '--day', '2026-11-30'], {
    answers: { 'GET /v1/meshes/shop/quotas': { status: 200, body: { items, nextCursor: null } } },
  })
  expect(code).toBe(0)
  expect(calls.map(({ query }) => query)).toMatchObject([{ namespace: 'shop', day: '2026-11-30' }])
  expect(stdout.split('\n').map((line) => line.trimEnd())).toEqual([
    'NAMESPACE  RATELIMIT  LIMIT  CONSUMER        USED  OF',
    String.raw`shop       plans      daily  bob\n\u001b[2J  1010  1000               101 %`,
    'shop       plans      daily  ann             40    1000               4 %',
    'shop       plans      daily  gone            5     no limit any more',
    '',
  ])
})
