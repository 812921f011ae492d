import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')
const folder = join(root, '.cache/programs')

/** Names the folder with what `setup` built of this clone. */
export const builtFolderVariable = 'ATOLL_TEST_PROGRAMS'

/**
 * Before the tests of a group whose worlds run programs: what this clone publishes, built for them. Within the clone, so that it
 * finds the packages that are not in the bundle.
 */
export const setup = (): (() => void) | undefined => {
  // Another project of this run has built them.
  if (process.env[builtFolderVariable] !== undefined) return undefined
  mkdirSync(folder, { recursive: true })
  removeLeftovers()
  const built = join(folder, String(process.pid))
  execFileSync(process.execPath, ['scripts/build.mjs', built], { cwd: root, stdio: 'inherit' })
  process.env[builtFolderVariable] = built
  // Where it and what it starts keep compiled code: under a name that is used once, it is of no use to anybody else.
  process.env['XDG_CACHE_HOME'] = join(built, 'cache')
  return () => rmSync(built, { recursive: true, force: true })
}

/** Of runs that were killed. */
const removeLeftovers = (): void => {
  for (const pid of readdirSync(folder))
    if (!existsSync(`/proc/${pid}`)) rmSync(join(folder, pid), { recursive: true, force: true })
}
