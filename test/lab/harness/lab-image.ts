import { realpathSync } from 'node:fs'
import { toNodeCacheEnvironment } from './node-cache.ts'
import { repository } from './paths.ts'

/** What an image name stands for in the lab: a program of this machine. */
export interface LabImage {
  readonly entrypoint: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Path in the container to a file or folder of this machine, mounted read-only. */
  readonly files?: Readonly<Record<string, string>>
  /** Numeric user and group, unless a security context says otherwise; root when absent. */
  readonly user?: string
}

const node = '/usr/local/bin/node'
const checkout = '/opt/atoll'

/** A script of this checkout, run by this Node as a user of this number. */
export const nodeImage = (script: string, args: readonly string[], user: number): LabImage => ({
  entrypoint: [node, `${checkout}/${script}`, ...args],
  env: toNodeCacheEnvironment(checkout),
  files: { [node]: realpathSync(process.execPath), [checkout]: repository },
  user: String(user),
})
