import { join } from 'node:path'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { AgentError } from '#agent/agent-error.ts'
import { agentRecord, type AgentRecord } from '#agent/join/agent-record.ts'
import { KeptRecordStore } from '#agent/kubernetes/kept-record-store.ts'
import { KubernetesError } from '#agent/kubernetes/kubernetes-client.ts'
import { SealedDocument } from '#agent/store/sealed-document.ts'
import { loadSealingKey } from '#agent/store/sealing-key.ts'
import { temporaryDirectory } from '../temporary-directory.ts'

const membership = {
  mesh: 'demo',
  meshId: 'm1',
  cluster: 'east',
  network: 'net-east',
  trustDomain: 'demo.example',
  certificatePem: 'certificate',
  rootsPem: [],
}
const recordOf = (csrPem: string, joined = true): AgentRecord =>
  agentRecord.parse({
    replica: 'agent-1',
    identityKeyPem: 'identity',
    intermediateKeyPem: 'intermediate',
    csrPem,
    membership: joined ? membership : null,
  })

/** A store whose Secret says what a test wants, over one directory. */
const createStore = () => {
  const directory = temporaryDirectory()
  const secret: { says: () => Promise<AgentRecord | undefined> } = { says: async () => undefined }
  const open = (replica = 'agent-1') =>
    new KeptRecordStore({
      secret: {
        load: () => secret.says(),
        save: async (record) => {
          secret.says = async () => record
          return record
        },
      },
      copy: new SealedDocument({
        path: join(directory, 'agent.sealed'),
        name: 'agent',
        key: loadSealingKey(join(directory, 'sealing.key'), true),
        schema: agentRecord,
        report: () => {},
      }),
      replica,
      log: pino({ level: 'silent' }),
    })
  const answerWith = (status: number | undefined): void => {
    const cause = new KubernetesError('no', status)
    secret.says = () => Promise.reject(new AgentError('unreachable', 'no', { cause }))
  }
  return { secret, open, answerWith }
}

test.each([undefined, 429, 500, 503])(
  'an agent that is started anew is who it was while the server says %s',
  async (status) => {
    const { secret, open, answerWith } = createStore()
    secret.says = async () => recordOf('first')
    await open().load()
    secret.says = async () => recordOf('renewed')
    await open().load()
    answerWith(status)
    expect(await open('agent-2').load()).toEqual({ ...recordOf('renewed'), replica: 'agent-2' })
  },
)

test('what was saved is kept, too', async () => {
  const { open, answerWith } = createStore()
  await open().save(recordOf('saved'))
  answerWith(undefined)
  expect(await open().load()).toEqual(recordOf('saved'))
})

test.each([401, 403])('a server that refuses with %i is believed', async (status) => {
  const { open, answerWith } = createStore()
  await open().save(recordOf('saved'))
  answerWith(status)
  await expect(open().load()).rejects.toThrow('no')
})

test('a record that is gone is gone, and one that is in no mesh yet is not kept for one', async () => {
  const { secret, open, answerWith } = createStore()
  await open().save(recordOf('saved'))
  secret.says = async () => undefined
  expect(await open().load()).toBeUndefined()
  answerWith(undefined)
  await expect(open().load()).rejects.toThrow('no')
  await open().save(recordOf('joining', false))
  answerWith(undefined)
  await expect(open().load()).rejects.toThrow('no')
})
