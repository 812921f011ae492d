import { chmodSync, mkdirSync } from 'node:fs'
import type { Server } from 'node:net'
import { join } from 'node:path'
import { z } from 'zod'
import { agentRecord, type AgentRecord } from './join/agent-record.ts'
import { lockDirectory } from './store/lock-directory.ts'
import { SealedDocument } from './store/sealed-document.ts'
import { SealedSnapshot } from './store/sealed-snapshot.ts'
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
  /** Another small document, by its name. */
  openDocument<T>(name: string, schema: z.ZodType<T>): SealedDocument<T>
  /** A list that is replaced as a whole, by its name. */
  openSnapshot<T>(name: string, schema: z.ZodType<T>): SealedSnapshot<T>
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
  const openDocument = <T>(name: string, schema: z.ZodType<T>): SealedDocument<T> =>
    new SealedDocument({ path: join(path, `${name}.sealed`), name, key, schema, report })
  const suspicion = openDocument('suspicion', suspicionDocument)
  return {
    path,
    key,
    record: openDocument('agent', agentRecord),
    openDocument,
    openSnapshot: (name, schema) =>
      new SealedSnapshot({ path: join(path, `${name}.snapshot`), name, key, schema, report }),
    loadSuspicion: () => suspicion.load()?.suspicion ?? undefined,
    saveSuspicion: (content) => suspicion.save({ suspicion: content ?? null }),
    close: () => lock.close(),
  }
}
