import { expect, test } from 'vitest'
import { exportPrivateKeyPem, generateKeyPair } from '#agent/identity/certificate-key.ts'
import type { KeyAlgorithm } from '#mesh/key-algorithm.ts'
import type { IntermediateMaterial } from '#agent/identity/intermediate.ts'
import { agentRecord, isJoined } from '#agent/join/agent-record.ts'
import { toIntermediates, withIntermediates } from '#agent/join/recorded-intermediates.ts'

const createKey = async (algorithm?: KeyAlgorithm) => (await generateKeyPair(true, algorithm)).privateKey

test('the intermediate that signs and the one that will are there after a restart; nothing is left of a third', async () => {
  const keys = { current: await createKey(), incoming: await createKey('rsa-2048') }
  const record = agentRecord.parse({
    replica: 'r',
    identityKeyPem: 'identity',
    intermediateKeyPem: await exportPrivateKeyPem(keys.current),
    csrPem: 'csr',
    membership: {
      mesh: 'demo',
      meshId: 'm',
      cluster: 'east',
      network: 'net-east',
      trustDomain: 'td.example',
      certificatePem: 'current',
      rootsPem: ['root'],
    },
  })
  if (!isJoined(record)) throw new Error('the record is one of an agent that has joined')
  const before = await toIntermediates(record)
  expect(before).toMatchObject({ material: { certificatePem: 'current' } })
  expect(before).not.toHaveProperty('incoming')

  const incoming = { certificatePem: 'incoming', privateKey: keys.incoming, receivedAt: 7 }
  const settling = agentRecord.parse(await withIntermediates(record, { ...before, incoming }))
  if (!isJoined(settling)) throw new Error('it still has')
  const restarted = await toIntermediates(settling)
  expect(restarted).toMatchObject({
    material: { certificatePem: 'current' },
    incoming: { certificatePem: 'incoming', receivedAt: 7 },
  })
  expect(await Promise.all([restarted.material, restarted.incoming ?? incoming].map(toKeyPem))).toEqual(
    await Promise.all([keys.current, keys.incoming].map(exportPrivateKeyPem)),
  )

  const { certificatePem, privateKey } = incoming
  const settled = await withIntermediates(settling, { material: { certificatePem, privateKey } })
  expect(settled).toEqual({
    ...record,
    intermediateKeyPem: await exportPrivateKeyPem(keys.incoming),
    membership: { ...record.membership, certificatePem: 'incoming' },
  })
})

const toKeyPem = ({ privateKey }: IntermediateMaterial) => exportPrivateKeyPem(privateKey)
