import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { z } from 'zod'

export const MANIFEST = 'manifest.json'

/** The first file of a backup: what else is in it. */
export const backupManifest = z.object({
  format: z.literal(1),
  atollVersion: z.string(),
  /** RFC 3339 */
  createdAt: z.string(),
  /** Name → lower-case hex SHA-256. */
  files: z.record(z.string(), z.string()),
})
export type BackupManifest = z.infer<typeof backupManifest>

export const hashFiles = async (folder: string, names: readonly string[]): Promise<Record<string, string>> => {
  const hashes: Record<string, string> = {}
  for (const name of names) {
    const hash = createHash('sha256')
    await pipeline(createReadStream(join(folder, name)), hash)
    hashes[name] = hash.digest('hex')
  }
  return hashes
}
