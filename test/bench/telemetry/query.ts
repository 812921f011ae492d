import { randomInt } from 'node:crypto'
import type { ApiClient } from '#api/client.ts'
import { listLogs } from '#api/routes/telemetry.ts'
import { readTreePeakRssMebibytes } from '../process-usage.ts'
import { toDistribution, type Distribution } from '../statistics.ts'
import { encodeBatch, LINES_OF_BATCH, SERVICES, toTraceId, type EncodedBatch, type Span } from './edge-lines.ts'
import { openEdgeWorld, readArchive } from './edge-world.ts'

/** The lines are of so long before now. */
const SPAN_US = 24 * 60 * 60 * 1_000_000
const WINDOW_US = 60 * 60 * 1_000_000
const QUERIES = 100
const FOUND_IS_ENOUGH = 100

export interface QueryReport {
  readonly lines: number
  readonly storeSeconds: number
  readonly segments: number
  readonly archivedMebibytes: number
  readonly planePeakRssMebibytes: number
  /** Milliseconds until there are 100 records or no more, by query; `pages`: requests that it took. */
  readonly queries: Readonly<Record<string, Distribution & { readonly pages: number; readonly found: number }>>
}

type Query = Readonly<Record<string, string>>

/** How long searches take in the lines of one cluster and day, which come in as all lines do. */
export const measureQueries = async (
  directory: string,
  lines: number,
  tell: (step: string) => void,
): Promise<QueryReport> => {
  const { world, client, pid, send } = await openEdgeWorld(directory)
  try {
    const span = { firstUs: Date.now() * 1000 - SPAN_US, stepUs: SPAN_US / lines }
    const startedAt = performance.now()
    await send(makeBatches(lines, span, tell))
    const storeSeconds = Math.round((performance.now() - startedAt) / 1000)
    tell('making segments')
    const { segments, bytes } = await readArchive(world)
    const toTime = (us: number): string => new Date((span.firstUs + us) / 1000).toISOString()
    const window = (): Query => {
      const from = randomInt(SPAN_US - WINDOW_US)
      return { from: toTime(from), to: toTime(from + WINDOW_US) }
    }
    const service = (): Query => ({ service: `service-${randomInt(SERVICES)}` })
    const kinds: readonly (readonly [string, () => Query])[] = [
      ['the newest page', () => ({})],
      ['a trace', () => ({ trace: toTraceId(randomInt(lines)).toString('hex') })],
      ['a service and 200 in an hour', () => ({ ...service(), ...window(), code: '200' })],
      ['a service and 503 (1 line in 9,973) in an hour', () => ({ ...service(), ...window(), code: '503' })],
      ['a trace that nobody has', () => ({ trace: toTraceId(lines + randomInt(lines)).toString('hex') })],
    ]
    const queries: Record<string, QueryReport['queries'][string]> = {}
    for (const [name, toQuery] of kinds) {
      tell(name)
      queries[name] = await measureKind(client, toQuery)
    }
    return {
      lines,
      storeSeconds,
      segments,
      archivedMebibytes: Math.round(bytes / 2 ** 20),
      planePeakRssMebibytes: readTreePeakRssMebibytes(pid),
      queries,
    }
  } finally {
    await world.stop()
  }
}

/** One after the other, when it is wanted: so many do not fit into memory. */
function* makeBatches(lines: number, span: Span, tell: (step: string) => void): Generator<EncodedBatch> {
  for (let first = 0; first < lines; first += LINES_OF_BATCH) {
    if (first % 500_000 === 0) tell(`${first} of ${lines} lines`)
    yield encodeBatch(first, Math.min(LINES_OF_BATCH, lines - first), span)
  }
}

const measureKind = async (client: ApiClient, toQuery: () => Query) => {
  const times: number[] = []
  const sum = { pages: 0, found: 0 }
  for (let run = 0; run < QUERIES; run += 1) {
    const startedAt = performance.now()
    let found = 0
    for await (const { items } of client.pages(listLogs, { params: { mesh: 'demo' }, query: toQuery() })) {
      sum.pages += 1
      found += items.length
      if (found >= FOUND_IS_ENOUGH) break
    }
    sum.found += found
    times.push(performance.now() - startedAt)
  }
  return { ...toDistribution(times), pages: sum.pages / QUERIES, found: sum.found / QUERIES }
}
