import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { deriveEventSigner } from '#worker/audit/event-signer.ts'
import { announceAuditKey, planeInitiator, readAuditChain, writeAudit } from '#worker/mesh/audit.ts'
import { createBusyMesh, inStorage, verifyMesh } from './support/test-audit.ts'
import type { AuditPage } from './support/test-audit.ts'
import type { TestMesh } from './support/test-plane.ts'

/** As somebody does who can write to the storage: events from one on are others, with hashes that fit. */
const rewriteFrom = (mesh: TestMesh, sequence: number, also = '') =>
  inStorage(mesh, (context) => {
    context.sql.exec(`DELETE FROM audit_chain`)
    context.sql.exec(`UPDATE audit SET actor_name = 'somebody else' ${also} WHERE number >= ?`, sequence)
    context.sql.exec(`UPDATE audit SET hash = NULL, previous_hash = NULL`)
    readAuditChain(context)
    context.sql.exec(`DELETE FROM audit WHERE action = 'audit.chain'`)
    context.sql.exec(
      `UPDATE audit_chain SET (head_sequence, head_hash) = (SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1)`,
    )
  })

test('the audit log of a mesh is signed event by event: who rewrites it without the secret of the plane is found out', async () => {
  const mesh = await createBusyMesh()
  expect(await verifyMesh(mesh)).toMatchObject({ findings: [], signed: 11, firstSigned: 1 })
  await rewriteFrom(mesh, 9)
  const rewritten = [9, 10, 11].map((sequence) => ({ kind: 'wrong-signature', sequence }))
  expect((await verifyMesh(mesh)).findings).toEqual(rewritten)
  await mesh.send('POST', '/join-tokens', { body: { cluster: 'later', network: 'net' } })
  expect((await verifyMesh(mesh)).findings).toEqual(rewritten)
  await rewriteFrom(mesh, 9, ', signature = NULL')
  expect((await verifyMesh(mesh)).findings).toEqual([9, 10, 11, 12].map((sequence) => ({ kind: 'unsigned', sequence })))
  // Signed as the plane does it, by another secret.
  const other = await deriveEventSigner('ATOLL_KEK', btoa('a secret that the plane does not know'.slice(0, 32)))
  await inStorage(mesh, (context) => {
    for (const { number, hash } of context.sql
      .exec<{ number: number; hash: string }>('SELECT number, hash FROM audit WHERE number >= 9')
      .toArray())
      context.sql.exec('UPDATE audit SET signature = ? WHERE number = ?', other.sign(mesh.id, hash), number)
  })
  expect((await verifyMesh(mesh)).findings).toEqual(
    [9, 10, 11, 12].map((sequence) => ({ kind: 'unknown-key', sequence })),
  )
})

test('that of another mesh does not pass for it', async () => {
  const [mesh, other] = [await createBusyMesh(), await createBusyMesh()]
  const rows = await inStorage(other, (context) => context.sql.exec('SELECT * FROM audit').toArray())
  await inStorage(mesh, (context) => {
    context.sql.exec('DELETE FROM audit')
    for (const row of rows)
      context.sql.exec(
        `INSERT INTO audit (${Object.keys(row).join()}) VALUES (${Object.keys(row)
          .map(() => '?')
          .join()})`,
        ...Object.values(row),
      )
    context.sql.exec('UPDATE audit_chain SET head_hash = (SELECT hash FROM audit WHERE number = head_sequence)')
  })
  const { findings } = await verifyMesh(mesh)
  expect(new Set(findings.map(({ kind }) => kind))).toEqual(new Set(['wrong-signature']))
})

test('it says which key signs from where on, and the new one vouches for the one before', async () => {
  const mesh = await createBusyMesh()
  const [old, next] = [
    await deriveEventSigner('ATOLL_KEK', env.ATOLL_KEK),
    await deriveEventSigner('ATOLL_KEK', btoa('another secret of the same plane'.slice(0, 32))),
  ]
  await inStorage(mesh, (context) => {
    const again = { ...context, signer: () => next }
    context.transaction(() => announceAuditKey(again, old))
    context.transaction(() => announceAuditKey(again, old))
    context.transaction(() => writeAudit(again, planeInitiator, { action: 'a.write', target: 'it' }))
  })
  expect((await verifyMesh(mesh, undefined, [next.publicKey])).findings).toEqual([])
  expect(await verifyMesh(mesh, undefined, [old.publicKey])).toMatchObject({
    findings: [
      { kind: 'unknown-key', sequence: 12 },
      { kind: 'unknown-key', sequence: 13 },
    ],
    signed: 11,
  })
  const { body } = await mesh.send<AuditPage>('GET', '/audit?action=audit.key')
  expect(body.items.map(({ detail }) => detail)).toEqual([{ key: next.publicKey, previous: old.publicKey }])
})
