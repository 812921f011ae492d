import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { setup as buildPrograms } from '#test/harness/build-programs.ts'
import type { Report, Size } from './measure.ts'

const usage = `npm run bench [-- --sizes 100x5x50,1000x10x100] [--changes 100] [--out FILE]

Measures a real plane, two real agents, as they are published, and load clients that speak delta ADS over TLS, all on this machine, and prints
JSON.
  --sizes  services x endpoints each x proxies; default 100x5x50,1000x10x100,1000x10x500,5000x4x20
  --changes how often each kind of change is measured; default 100
  --out    write the JSON to a file as well
`

const { values } = parseArgs({
  options: {
    sizes: { type: 'string', default: '100x5x50,1000x10x100,1000x10x500,5000x4x20' },
    changes: { type: 'string', default: '100' },
    out: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})

const parseSize = (text: string): Size => {
  const [services, endpoints, proxies, ...rest] = text.split('x').map(Number)
  if (!services || !endpoints || !proxies || rest.length > 0)
    throw new Error(`a size reads services x endpoints x proxies, such as 100x5x50, not ${text}`)
  return { services, endpoints, proxies, changes: Number(values.changes) }
}

const main = async (): Promise<void> => {
  const removePrograms = buildPrograms()
  try {
    await measureAll()
  } finally {
    removePrograms?.()
  }
}

const measureAll = async (): Promise<void> => {
  // It decides when it is loaded which programs there are.
  const { measure } = await import('./measure.ts')
  const reports: Report[] = []
  for (const text of values.sizes.split(',')) {
    const directory = await mkdtemp(join(tmpdir(), 'atoll-bench-'))
    try {
      reports.push(await measure(directory, parseSize(text), (step) => process.stderr.write(`${text}: ${step}\n`)))
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  }
  const machine = {
    cpus: cpus().length,
    cpuModel: cpus()[0]?.model,
    memoryGibibytes: Math.round(totalmem() / 2 ** 30),
    node: process.version,
  }
  const json = JSON.stringify({ machine, reports }, undefined, 2)
  process.stdout.write(`${json}\n`)
  if (values.out) await writeFile(values.out, json)
}

if (values.help) process.stdout.write(usage)
else await main()
