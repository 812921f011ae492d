import { realpathSync } from 'node:fs'
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
export const checkout = '/opt/atoll'

/** A script of this checkout, or of another folder, run by this Node as a user of this number. */
export const nodeImage = (script: string, args: readonly string[], user: number, folder = repository): LabImage => ({
  entrypoint: [node, `${checkout}/${script}`, ...args],
  files: { [node]: realpathSync(process.execPath), [checkout]: folder },
  user: String(user),
})
