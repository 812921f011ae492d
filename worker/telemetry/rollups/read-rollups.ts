import type { Matcher } from '../../promql/expression.ts'
import { createBlock } from './block.ts'
import type { SeriesIdentity } from './block.ts'
import { decodeInto, encodeBlock } from './block-codec.ts'
import { listBatches, listParts, readPart, readTotalParts } from './rollup-rows.ts'
import type { RollupContext } from './rollup-rows.ts'
import { toRollupTest } from './series-name.ts'
import { FINE_MS, toCoarser, toHour, toSlot } from './slots.ts'
import type { StoredSums } from './totals.ts'

export interface RollupQuery {
  readonly matchers: readonly Matcher[]
  /** Series that differ only in other labels are added up. Absent: all labels count. */
  readonly by?: readonly string[]
  /** What was counted in ]`fromMs`, `toMs`]. */
  readonly fromMs: number
  readonly toMs: number
  /** A multiple of 10 s. Where only longer ones are kept it is that. */
  readonly stepMs: number
}

export type RollupAnswer =
  | {
      readonly kind: 'block'
      /** Encoded; its slots are of `stepMs`. */
      readonly block: Uint8Array<ArrayBuffer>
      /** What it takes in memory, about, when it is decoded. */
      readonly bytes: number
      readonly stepMs: number
      /** Until when there is anything. */
      readonly untilMs: number
    }
  | { readonly kind: 'too-much' }

/** What one cluster answers at most: memory is shared by all who ask. */
const MOST_BYTES = 32 * 1024 * 1024

/** Only these labels. */
const reduce = ({ name, labels, bounds }: SeriesIdentity, by: ReadonlySet<string>): SeriesIdentity => ({
  name,
  labels: labels.filter((_, index) => by.has(labels[index - (index % 2)] ?? '')),
  bounds,
})

/** What is not in any part yet, and the parts that there are at the same moment. */
const findSources = (context: RollupContext, { fromMs, toMs }: RollupQuery) => ({
  parts: listParts(context, toHour(toSlot(fromMs + 1, FINE_MS), FINE_MS), toHour(toSlot(toMs, FINE_MS), FINE_MS)),
  batches: listBatches(context),
})

/** Undefined: a part was merged with others while it was read. */
const tryToRead = async (
  context: RollupContext,
  cluster: string,
  query: RollupQuery,
): Promise<RollupAnswer | undefined> => {
  const { fromMs, toMs, matchers, by } = query
  const { parts, batches } = findSources(context, query)
  const stepMs = parts.reduce((most, part) => Math.max(most, part.stepMs), query.stepMs)
  const matches = toRollupTest(matchers, cluster)
  const kept = by && new Set(by)
  const pick = (series: SeriesIdentity) => (matches(series) ? (kept ? reduce(series, kept) : series) : undefined)
  const found = createBlock()
  const add = async (body: ArrayBuffer, fromStepMs: number) => {
    const toStep = toCoarser(fromStepMs, stepMs)
    const isAsked = (endMs: number) => endMs > fromMs && endMs <= toMs
    await decodeInto(found, new Uint8Array(body), pick, (slot) =>
      isAsked(slot * fromStepMs) ? toStep(slot) : undefined,
    )
    return found.bytes <= MOST_BYTES
  }
  for (const part of parts) {
    const body = readPart(context, part)
    if (!body) return undefined
    if (!(await add(body, part.stepMs))) return { kind: 'too-much' }
  }
  for (const { body } of batches) if (!(await add(body, FINE_MS))) return { kind: 'too-much' }
  const untilMs = [...parts, ...batches].reduce((most, each) => Math.max(most, each.untilMs), 0)
  return {
    kind: 'block',
    block: await encodeBlock(found),
    bytes: found.bytes,
    stepMs,
    untilMs: Math.min(untilMs, toMs),
  }
}

/** What a cluster counted, as far as it is asked for. */
export const readRollups = async (
  context: RollupContext,
  cluster: string,
  query: RollupQuery,
): Promise<RollupAnswer> => {
  for (;;) {
    const answer = await tryToRead(context, cluster, query)
    if (answer) return answer
  }
}

/** What was counted since the beginning, at one moment. Who asks adds it up: this object has others to serve. */
export const readSums = (context: RollupContext): StoredSums => ({
  totals: readTotalParts(context),
  batches: listBatches(context).map(({ body }) => body),
})
