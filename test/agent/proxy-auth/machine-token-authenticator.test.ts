import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { findFirstEnd, MachineTokenAuthenticator } from '#agent/proxy-auth/machine-token-authenticator.ts'
import type { MachineRefusal } from '#agent/proxy-auth/proxy-authenticator.ts'
import type { GroupMachine } from '#mesh/registry-records/machine-groups.ts'
import { err, ok, type Result } from '#mesh/result.ts'
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

const groupRecord: MachineToken = { ...record, workload: 'reviews', group: true }
const machine: GroupMachine = {
  namespace: 'shop',
  group: 'reviews',
  name: 'reviews-10.0.0.4',
  address: '10.0.0.4',
  serviceAccount: 'reviews',
}

/** An agent whose answer about machines can be changed. */
const withGroups = () => {
  const agent = { records: [groupRecord], answer: ok(machine) as Result<GroupMachine, MachineRefusal> }
  const peers: string[] = []
  const groups = new MachineTokenAuthenticator(
    {
      machineToken: (wanted) => agent.records.find((each) => each.id === wanted),
      admit: (_, peer) => {
        peers.push(peer)
        return agent.answer
      },
    },
    () => now,
  )
  return { agent, peers, groups }
}

test('the holder of a group’s token is the machine that its connection comes from', async () => {
  const { peers, groups } = withGroups()
  const proxy = { role: 'sidecar', namespace: 'shop', serviceAccount: 'reviews', workload: 'reviews-10.0.0.4' }
  const granted = await groups.authenticate(token, '10.0.0.4:40000')
  expect(granted).toEqual({ ok: true, value: { proxy, credential: id, machine } })
  expect(peers).toEqual(['10.0.0.4:40000'])
})

test('a group’s token is worth nothing where groups have no machines, or without its group', async () => {
  expect(await authenticator([groupRecord]).authenticate(token, '10.0.0.4:1')).toEqual({ ok: false, error: 'no_group' })
  const { agent, groups } = withGroups()
  agent.answer = err('other_account')
  expect(await groups.authenticate(token, '10.0.0.4:1')).toEqual({ ok: false, error: 'other_account' })
})

test.each<[string, readonly MachineToken[], Result<GroupMachine, MachineRefusal>, boolean]>([
  ['while it would be admitted as the same', [groupRecord], ok(machine), true],
  ['not when its group is gone', [groupRecord], err('no_group'), false],
  ['not when it would go by another name', [groupRecord], ok({ ...machine, name: 'reviews-10.0.0.4-west' }), false],
  ['not when its token became a workload’s', [record], ok(machine), false],
  ['not when it was revoked', [], ok(machine), false],
])('the grant of a machine holds %s', async (_, records, answer, isValid) => {
  const { agent, groups } = withGroups()
  const granted = await groups.authenticate(token, '10.0.0.4:1')
  if (!granted.ok) throw new Error(granted.error)
  Object.assign(agent, { records, answer })
  expect(groups.isValid(granted.value)).toBe(isValid)
})

test('of the tokens in use, the first that ends is told; those of nobody, and pods, are not', async () => {
  const records = [
    record,
    { ...record, id: 'later', expiresAt: '2026-03-01T00:00:00Z' },
    { ...record, id: 'unused', expiresAt: '2026-01-01T01:00:00Z' },
  ]
  const grant = (credential: string) => ({ grant: { proxy: record, credential } })
  const find = (wanted: string) => records.find((each) => each.id === wanted)
  expect(findFirstEnd([grant('a pod'), grant('later'), grant(id)], find)).toBe(Date.parse(record.expiresAt))
  expect(findFirstEnd([grant('a pod')], find)).toBeUndefined()
})
