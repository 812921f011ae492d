import { chmodSync, mkdirSync } from 'node:fs'
import type { Server } from 'node:net'
import { join } from 'node:path'
import { z } from 'zod'
import { agentRecord, type AgentRecord } from './join/agent-record.ts'
import { lockDirectory } from './store/lock-directory.ts'
import { SealedDocument } from './store/sealed-document.ts'
import { loadSealingKey, type SealingKey } from './store/sealing-key.ts'
import type { Suspicion } from './uplink/plane-replica.ts'

const suspicionDocument = z.object({
  suspicion: z.object({ epoch: z.string(), since: z.number() }).nullable(),
})

/** What an agent keeps on disk, open for this process alone. */
export interface DataDirectory {
  readonly path: string
  readonly key: SealingKey
  /** Who this agent is. */
  readonly record: SealedDocument<AgentRecord>
  loadSuspicion(): Suspicion | undefined
  saveSuspicion(suspicion: Suspicion | undefined): void
  close(): void
}

/** Throws AgentError `store_unusable` when another agent uses the directory, or its key can't be read. */
export const openDataDirectory = async (
  path: string,
  sealingKeyFile: string | undefined,
  report: (problem: string) => void,
): Promise<DataDirectory> => {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  chmodSync(path, 0o700)
  const lock: Server = await lockDirectory(path)
  const key = loadSealingKey(sealingKeyFile ?? join(path, 'sealing.key'), sealingKeyFile === undefined)
  const suspicion = new SealedDocument({
    path: join(path, 'suspicion.sealed'),
    name: 'suspicion',
    key,
    schema: suspicionDocument,
    report,
  })
  return {
    path,
    key,
    record: new SealedDocument({ path: join(path, 'agent.sealed'), name: 'agent', key, schema: agentRecord, report }),
    loadSuspicion: () => suspicion.load()?.suspicion ?? undefined,
    saveSuspicion: (content) => suspicion.save({ suspicion: content ?? null }),
    close: () => lock.close(),
  }
}
