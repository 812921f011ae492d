/**
 * Copies upstream's CustomResourceDefinitions of the kinds that Atoll takes, byte for byte, and pins them:
 *
 *   node scripts/upstream-crds.ts <customresourcedefinitions.gen.yaml>
 *
 * The file is kubernetes/customresourcedefinitions.gen.yaml of the Go module istio.io/api, of the version in
 * mesh/support/testdata/istio-api.txt.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { kinds } from '#mesh/config/kind-table.ts'

const folder = join(import.meta.dirname, '../deploy/helm/atoll/crds')

const [file] = process.argv.slice(2)
if (file === undefined) throw new Error('usage: node scripts/upstream-crds.ts <customresourcedefinitions.gen.yaml>')

rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
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
