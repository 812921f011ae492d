import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { setup as buildPrograms } from '#test/harness/build-programs.ts'
import type { Size } from './measure.ts'
import { measureParts, parseParts } from './parts.ts'
import { policyMeasures } from './policy/measure-policy.ts'
import { telemetryMeasures } from './telemetry/measure-telemetry.ts'

const usage = `npm run bench [-- --sizes 100x5x50,1000x10x100] [--changes 100] [--out FILE]
npm run bench -- telemetry [agent|edge|query|request|outage …] [--lines 10000000] [--seconds 20] [--out FILE]
npm run bench -- policy [memory|request|limits …] [--seconds 20] [--out FILE]

Measures real planes and agents, as they are published, and real Envoys, all on this machine, and prints JSON.

Configuration: load clients that speak delta ADS over TLS.
  --sizes  services x endpoints each x proxies; default 100x5x50,1000x10x100,1000x10x500,5000x4x20
  --changes how often each kind of change is measured; default 100

Telemetry; without a name all parts:
  agent    access log records that one agent takes of many proxies, and what is shed when there are twice as many
  edge     … that a plane takes of one cluster, and what a record takes in the archive
  query    how long searches take in --lines of them
  request  what a request takes from sidecar to sidecar, and Envoys for it, with telemetry and without
  outage   what becomes of records while the plane takes none
  --lines   for query; default 10000000, which take some twenty minutes to load
  --seconds of each load of agent and request; default 20
  --outage  seconds of it; default 600
  --rate    lines a second of outage, requests a second of request; default 500
  --spool   MiB that the agent may keep on disk meanwhile; default 1024

Policies; without a name all parts:
  memory   what an HTTP chain takes of Envoy's memory, with the filters that policies need and without them
  request  what a request takes from sidecar to sidecar, and Envoys for it, under each kind of policy
  limits   how many requests an agent decides about, of a limit over the mesh
  --seconds of each load; default 20
  --rate    requests a second of request; default 500

  --out    write the JSON to a file as well
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sizes: { type: 'string', default: '100x5x50,1000x10x100,1000x10x500,5000x4x20' },
    changes: { type: 'string', default: '100' },
    lines: { type: 'string', default: '10000000' },
    seconds: { type: 'string', default: '20' },
    outage: { type: 'string', default: '600' },
    rate: { type: 'string', default: '500' },
    spool: { type: 'string', default: '1024' },
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

/** What it measures has a new folder, and is named in what it tells. */
const inFolder = async <T>(
  name: string,
  run: (directory: string, tell: (step: string) => void) => Promise<T>,
): Promise<T> => {
  const directory = await mkdtemp(join(tmpdir(), 'atoll-bench-'))
  try {
    return await run(directory, (step) => process.stderr.write(`${name}: ${step}\n`))
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

const measureConfiguration = async () => {
  // It decides when it is loaded which programs there are.
  const { measure } = await import('./measure.ts')
  const reports = []
  for (const text of values.sizes.split(','))
    reports.push(await inFolder(text, (directory, tell) => measure(directory, parseSize(text), tell)))
  return { reports }
}

const toOptions = () => ({
  lines: Number(values.lines),
  seconds: Number(values.seconds),
  request: { seconds: Number(values.seconds), requestsPerSecond: Number(values.rate) },
  outage: {
    seconds: Number(values.outage),
    linesPerSecond: Number(values.rate),
    spoolMebibytes: Number(values.spool),
  },
})

/** What is wrong with the arguments is said before anything is started. */
const toMeasurement = (): (() => Promise<Record<string, unknown>>) => {
  const [subject, ...names] = positionals
  switch (subject) {
    case undefined:
      return measureConfiguration
    case 'telemetry': {
      const parts = parseParts(subject, telemetryMeasures, names)
      return async () => ({ telemetry: await measureParts(inFolder, telemetryMeasures, parts, toOptions()) })
    }
    case 'policy': {
      const parts = parseParts(subject, policyMeasures, names)
      return async () => ({ policy: await measureParts(inFolder, policyMeasures, parts, toOptions()) })
    }
    default:
      throw new Error(`there is nothing to measure of ${subject}`)
  }
}

const main = async (): Promise<void> => {
  const measure = toMeasurement()
  const removePrograms = buildPrograms()
  try {
    await print(await measure())
  } finally {
    removePrograms?.()
  }
}

const print = async (measured: Record<string, unknown>): Promise<void> => {
  const machine = {
    cpus: cpus().length,
    cpuModel: cpus()[0]?.model,
    memoryGibibytes: Math.round(totalmem() / 2 ** 30),
    node: process.version,
  }
  const json = JSON.stringify({ machine, ...measured }, undefined, 2)
  process.stdout.write(`${json}\n`)
  if (values.out) await writeFile(values.out, json)
}

if (values.help) process.stdout.write(usage)
else await main()
