import { join } from 'node:path'
import { builtFolderVariable } from './build-programs.ts'

/** The programs of one version: scripts for Node. */
export interface Programs {
  readonly atoll: string
  readonly agent: string
}

const root = join(import.meta.dirname, '..', '..')

/** This clone's sources. */
export const sourcePrograms: Programs = { atoll: join(root, 'cli/main.ts'), agent: join(root, 'agent/main.ts') }

/** What was built into a folder by scripts/build.mjs, of this version or another. */
export const builtPrograms = (folder: string): Programs => ({
  atoll: join(folder, 'atoll.js'),
  agent: join(folder, 'atoll-agent.js'),
})

const builtFolder = process.env[builtFolderVariable]

/** This clone's: as they are published where they were built for the tests, for they start in half the time. */
export const ownPrograms: Programs = builtFolder === undefined ? sourcePrograms : builtPrograms(builtFolder)
