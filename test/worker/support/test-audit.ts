import { runInDurableObject } from 'cloudflare:test'
import type { AuditChain, AuditEvent } from '#api/schemas/audit.ts'
import { EventSignatures } from '#cli/audit/event-signatures.ts'
import { ChainVerifier } from '#cli/audit/verify-chain.ts'
import type { KeptHead } from '#cli/audit/verify-chain.ts'
import { hashNow } from '#worker/hash-now.ts'
import type { MeshContext } from '#worker/mesh/context.ts'
import { createTestMesh, send } from './test-plane.ts'
import type { TestMesh } from './test-plane.ts'

/** As an object without the secret of its plane: what is written is not signed. */
export const inStorage = <T>(mesh: TestMesh, body: (context: MeshContext) => T): Promise<T> =>
  runInDurableObject(mesh.stub, async (_instance, { storage }) =>
    body({
      sql: storage.sql,
      transaction: (run) => storage.transactionSync(run),
      now: Date.now,
      random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
    }),
  )

export interface AuditPage {
  readonly items: AuditEvent[]
  readonly nextCursor: string | null
}

/** Reads a log as the CLI does, page by page, and verifies it. */
export const verifyLog = async (path: string, token: string, kept?: KeptHead, keys?: readonly string[], limit = 7) => {
  const readChain = async () => (await send<AuditChain>('GET', `${path}/chain`, { token })).body
  const { head, signing } = await readChain()
  const signatures = signing && new EventSignatures(signing.log, keys ?? signing.keys, hashNow)
  const verifier = new ChainVerifier(hashNow, head, kept, signatures)
  for (let cursor: string | null = ''; cursor !== null;) {
    const query: string = cursor === '' ? '' : `&cursor=${cursor}`
    const { body } = await send<AuditPage>('GET', `${path}?order=oldest&limit=${limit}${query}`, { token })
    for (const event of body.items) verifier.take(event)
    cursor = body.nextCursor
  }
  return verifier.end(await readChain())
}
export const verifyMesh = (mesh: TestMesh, kept?: KeptHead, keys?: readonly string[]) =>
  verifyLog(`/v1/meshes/${mesh.name}/audit`, mesh.token, kept, keys)

/** A mesh with at least ten events. */
export const createBusyMesh = async (): Promise<TestMesh> => {
  const mesh = await createTestMesh()
  for (let index = 0; index < 9; index += 1)
    await mesh.send('POST', '/join-tokens', { body: { cluster: `c-${index}`, network: 'net' } })
  return mesh
}
