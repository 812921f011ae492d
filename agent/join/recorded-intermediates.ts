import { exportPrivateKeyPem, importPrivateKeyPem } from '#agent/identity/certificate-key.ts'
import type { IntermediateStore, KeptIntermediates } from '#agent/identity/intermediate.ts'
import { isJoined, type JoinedRecord } from './agent-record.ts'
import type { RecordStore } from './record-store.ts'

export const toIntermediates = async (record: JoinedRecord): Promise<KeptIntermediates> => {
  const { intermediateKeyPem, membership, incoming } = record
  return {
    material: {
      certificatePem: membership.certificatePem,
      privateKey: await importPrivateKeyPem(intermediateKeyPem),
    },
    ...(incoming && {
      incoming: {
        certificatePem: incoming.certificatePem,
        privateKey: await importPrivateKeyPem(incoming.intermediateKeyPem),
        receivedAt: incoming.receivedAt,
      },
    }),
  }
}

/** The record with other intermediates. */
export const withIntermediates = async (
  { incoming: _before, ...record }: JoinedRecord,
  { material, incoming }: KeptIntermediates,
): Promise<JoinedRecord> => ({
  ...record,
  intermediateKeyPem: await exportPrivateKeyPem(material.privateKey),
  membership: { ...record.membership, certificatePem: material.certificatePem },
  ...(incoming && {
    incoming: {
      certificatePem: incoming.certificatePem,
      intermediateKeyPem: await exportPrivateKeyPem(incoming.privateKey),
      receivedAt: incoming.receivedAt,
    },
  }),
})

/** The intermediates where the record is kept. `record` tells everything else of it, which does not change any more. */
export const toIntermediateStore = (records: RecordStore, record: JoinedRecord): IntermediateStore => ({
  load: async () => {
    const kept = await records.load()
    return kept && isJoined(kept) ? toIntermediates(kept) : undefined
  },
  save: async (intermediates) => {
    await records.save(await withIntermediates(record, intermediates))
  },
})
