/** Writes what in deploy/ is made from the code: the Helm chart, but for upstream's CRDs (scripts/upstream-crds.ts). */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import manifest from '../package.json' with { type: 'json' }
import { toHelmChart } from './deploy/helm-chart.ts'

const folder = join(import.meta.dirname, '../deploy/helm/atoll')
const files = toHelmChart(manifest.version)

for (const name of readdirSync(folder)) if (name !== 'crds') rmSync(join(folder, name), { recursive: true })
for (const [path, text] of Object.entries(files)) {
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  writeFileSync(join(folder, path), text)
}
