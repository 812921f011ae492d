/**
 * Writes docs/reference/ from the code: the API from its routes, the command line from its commands, the codes and who may do what
 * from their tables. With `--check` it writes nothing and fails when a page is not up to date.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { toAccessReference } from './reference/access-reference.ts'
import { toApiReference } from './reference/api-reference.ts'
import { toCliReference } from './reference/cli-reference.ts'
import { toKubernetesReference } from './reference/kubernetes-reference.ts'

const folder = join(import.meta.dirname, '../docs/reference')
const pages = {
  'access.md': toAccessReference(),
  'api.md': toApiReference(),
  'cli.md': await toCliReference(),
  'kubernetes.md': toKubernetesReference(),
}

const read = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

const stale = Object.entries(pages).filter(([name, text]) => read(join(folder, name)) !== text)
if (process.argv.includes('--check')) {
  for (const [name] of stale)
    process.stderr.write(`docs/reference/${name} is not up to date: run "node scripts/reference.ts"\n`)
  process.exitCode = stale.length === 0 ? 0 : 1
} else {
  for (const [name, text] of stale) writeFileSync(join(folder, name), text)
}
