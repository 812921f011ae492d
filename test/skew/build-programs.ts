import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { ensurePreviousRelease } from '../../scripts/previous-release.mjs'

const root = join(import.meta.dirname, '../..')

declare module 'vitest' {
  export interface ProvidedContext {
    /** Folders with what two versions publish: the release before this one, and what is here. */
    releases: { readonly previous: string; readonly current: string }
  }
}

/** Before the tests of the group: both versions as they are published, for what is published is what meets. */
export const setup = (project: TestProject): (() => void) => {
  const previous = ensurePreviousRelease()
  removeLeftovers(dirname(previous))
  // Beside it, so that it finds the packages that are not in the bundle.
  const current = join(dirname(previous), `current-${process.pid}`)
  execFileSync(process.execPath, ['scripts/build.mjs', current], { cwd: root, stdio: 'inherit' })
  // Where it and what it starts keep compiled code: under a name that is used once, it is of no use to anybody else.
  process.env['XDG_CACHE_HOME'] = join(current, 'cache')
  project.provide('releases', { previous, current })
  return () => rmSync(current, { recursive: true, force: true })
}

/** Of runs that were killed. */
const removeLeftovers = (folder: string): void => {
  for (const name of readdirSync(folder)) {
    const pid = /^current-(\d+)$/.exec(name)?.[1]
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) rmSync(join(folder, name), { recursive: true, force: true })
  }
}
