/** Writes docs/support.md from the kinds; with --check, fails when it is not what would be written. */
import { readFileSync, writeFileSync } from 'node:fs'
import { kinds } from '#mesh/config/kind-table.ts'
import { meshConfigSchema } from '#mesh/config/mesh-config.ts'
import { renderSupport } from '#mesh/support/render-support.ts'

const file = new URL('../docs/support.md', import.meta.url)
const rendered = renderSupport(kinds, meshConfigSchema)

if (!process.argv.includes('--check')) writeFileSync(file, rendered)
else if (readFileSync(file, 'utf8') !== rendered) {
  console.error('docs/support.md is stale: run node scripts/support.ts')
  process.exitCode = 1
}
