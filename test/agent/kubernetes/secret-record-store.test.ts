import { expect, test } from 'vitest'
import { SecretRecordStore, type Secret } from '#agent/kubernetes/secret-record-store.ts'
import { agentRecord } from '#agent/join/agent-record.ts'
import { ObjectServer } from './object-server.ts'

const recordOf = (replica: string, key = replica) =>
  agentRecord.parse({
    replica,
    identityKeyPem: `identity of ${key}`,
    intermediateKeyPem: `intermediate of ${key}`,
    csrPem: `request of ${key}`,
    membership: null,
  })

test('the replica that is first makes the record; the others take it under their own names', async () => {
  const server = new ObjectServer<Secret>()
  const [first, second] = [new SecretRecordStore(server, 'agent-1'), new SecretRecordStore(server, 'agent-2')]
  expect(await Promise.all([first.load(), second.load()])).toEqual([undefined, undefined])
  expect(await first.save(recordOf('agent-1'))).toEqual(recordOf('agent-1'))
  expect(await second.save(recordOf('agent-2'))).toEqual(recordOf('agent-2', 'agent-1'))
  expect(server.writes).toBe(1)
})

test('who has not seen the last change does not undo it', async () => {
  const server = new ObjectServer<Secret>()
  const [first, second] = [new SecretRecordStore(server, 'agent-1'), new SecretRecordStore(server, 'agent-2')]
  await first.save(recordOf('agent-1'))
  await second.load()
  const renewed = { ...recordOf('agent-1'), csrPem: 'renewed' }
  await first.save(renewed)
  expect((await second.save({ ...recordOf('agent-2'), csrPem: 'late' })).csrPem).toBe('renewed')
  expect((await second.save({ ...recordOf('agent-2'), csrPem: 'after it' })).csrPem).toBe('after it')
})

test('what others have put on the Secret stays', async () => {
  const server = new ObjectServer<Secret>()
  const store = new SecretRecordStore(server, 'agent-1')
  await store.save(recordOf('agent-1'))
  const [made] = server.objects.values()
  if (!made) throw new Error('nothing was made')
  server.put({ ...made, metadata: { ...made.metadata, labels: { ...made.metadata.labels, backup: 'yes' } } })
  await store.load()
  await store.save({ ...recordOf('agent-1'), csrPem: 'renewed' })
  const [kept] = server.objects.values()
  expect(kept?.metadata.labels).toMatchObject({ backup: 'yes', 'app.kubernetes.io/managed-by': 'atoll-agent' })
})

test('an API server that is away is worth another try; a Secret with something else in it is not, and is not told', async () => {
  const server = new ObjectServer<Secret>()
  const store = new SecretRecordStore(server, 'agent-1')
  server.isAway = true
  await expect(store.load()).rejects.toMatchObject({ code: 'unreachable' })
  server.isAway = false
  await store.save(recordOf('agent-1'))
  const [made] = server.objects.values()
  if (!made) throw new Error('nothing was made')
  server.put({ ...made, data: { 'agent.json': Buffer.from('{"identityKeyPem":"secret"').toString('base64') } })
  await expect(store.load()).rejects.toMatchObject({
    code: 'store_unusable',
    message: expect.not.stringMatching('secret"') as string,
  })
})
