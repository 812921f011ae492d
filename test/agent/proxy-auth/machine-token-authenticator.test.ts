import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { MachineTokenAuthenticator } from '#agent/proxy-auth/machine-token-authenticator.ts'
import type { MachineToken } from '#mesh/state.ts'

const now = Date.parse('2026-01-01T00:00:00Z')
const id = '0123456789abcdef'
const secret = 'a_secret-with_every-kind_of-character_12345'
const token = `atoll_machine_${id}_${secret}`
const record: MachineToken = {
  id,
  secretHash: createHash('sha256').update(secret).digest('hex'),
  role: 'sidecar',
  namespace: 'shop',
  serviceAccount: 'reviews',
  workload: 'reviews-1',
  expiresAt: '2026-01-02T00:00:00Z',
}

const authenticator = (records: readonly MachineToken[], at = now) =>
  new MachineTokenAuthenticator({ machineToken: (wanted) => records.find((each) => each.id === wanted) }, () => at)

test.each([`Bearer ${token}`, `bearer ${token}`, token])(
  '%s is let in as what its record says',
  async (authorization) => {
    expect(await authenticator([record]).authenticate(authorization)).toEqual({
      ok: true,
      value: {
        proxy: { role: 'sidecar', namespace: 'shop', serviceAccount: 'reviews', workload: 'reviews-1' },
        credential: id,
      },
    })
  },
)

test.each([
  ['nothing', undefined, 'missing'],
  ['an empty header', '', 'malformed'],
  ['another scheme', `Basic ${token}`, 'malformed'],
  ['another kind of token', `Bearer atoll_join_${id}_${secret}`, 'malformed'],
  ['no secret', `Bearer atoll_machine_${id}_`, 'malformed'],
  ['something behind it', `Bearer ${token} x`, 'malformed'],
  ['two tokens', `Bearer ${token},${token}`, 'malformed'],
  ['a wrong secret', `Bearer ${token}x`, 'unknown'],
  ['the hash for the secret', `Bearer atoll_machine_${id}_${record.secretHash}`, 'unknown'],
  ['an unknown id', `Bearer atoll_machine_ffffffffffffffff_${secret}`, 'unknown'],
])('%s: %s is refused', async (_, authorization, error) => {
  expect(await authenticator([record]).authenticate(authorization)).toEqual({ ok: false, error })
})

test.each([
  ['its time is over', Date.parse(record.expiresAt), record],
  ['its date can’t be read', now, { ...record, expiresAt: 'soon' }],
])('refused when %s', async (_, at, kept) => {
  expect(await authenticator([kept], at).authenticate(token)).toEqual({ ok: false, error: 'expired' })
})

test.each<[string, readonly MachineToken[], number, boolean]>([
  ['while its record is there', [record], now, true],
  ['not when it was revoked', [], now, false],
  ['not when its time is over', [record], now + 2 * 24 * 60 * 60_000, false],
  ['not when its record speaks of another workload', [{ ...record, workload: 'other' }], now, false],
])('a grant holds %s', async (_, records, at, isValid) => {
  const granted = await authenticator([record]).authenticate(token)
  if (!granted.ok) throw new Error(granted.error)
  expect(authenticator(records, at).isValid(granted.value)).toBe(isValid)
})
