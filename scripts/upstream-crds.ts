/**
 * Copies upstream's CustomResourceDefinitions of the kinds that Atoll takes, byte for byte, and pins them. Atoll's own stay as they are:
 *
 *   node scripts/upstream-crds.ts <customresourcedefinitions.gen.yaml>
 *
 * The file is kubernetes/customresourcedefinitions.gen.yaml of the Go module istio.io/api, of the version in
 * mesh/support/testdata/istio-api.txt.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { kinds } from '#mesh/config/kind-table.ts'

const folder = join(import.meta.dirname, '../deploy/helm/atoll/crds')

const [file] = process.argv.slice(2)
if (file === undefined) throw new Error('usage: node scripts/upstream-crds.ts <customresourcedefinitions.gen.yaml>')

mkdirSync(folder, { recursive: true })
for (const name of readdirSync(folder)) if (name.endsWith('.istio.io.yaml')) rmSync(join(folder, name))
const wanted = kinds.filter(({ group }) => group.endsWith('.istio.io')).map(({ plural, group }) => `${plural}.${group}`)
const found = new Map(
  readFileSync(file, 'utf8')
    .split(/^---\n/m)
    .map((document) => [/^ {2}name: (\S+)$/m.exec(document)?.[1], document]),
)
const sums = wanted.map((name) => {
  const document = found.get(name)
  if (document === undefined) throw new Error(`there is no ${name} in ${file}`)
  writeFileSync(join(folder, `${name}.yaml`), document)
  return `${createHash('sha256').update(document).digest('hex')}  ${name}.yaml\n`
})
writeFileSync(join(folder, 'SHA256SUMS'), sums.join(''))
