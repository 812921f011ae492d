import { addPoint, createBlock, putSeries } from './block.ts'
import type { Block, RollupSeries } from './block.ts'
import { decodeInto } from './block-codec.ts'
import { Retries } from './retries.ts'
import type { NewPart, PartSummary, RollupContext } from './rollup-rows.ts'
import {
  blameBatches,
  deleteHours,
  deletePart,
  findOldestBatch,
  findOldestHour,
  findOldestHourOf,
  findUnmerged,
  giveUpBatches,
  insertPart,
  listParts,
  readPart,
  readTotalParts,
  replaceTotalParts,
  retireBatch,
  tryBatches,
} from './rollup-rows.ts'
import { encodeShards } from './shards.ts'
import { COARSE_MS, FINE_KEPT_MS, FINE_MS, HOUR_MS, KEPT_MS, toCoarser, toHour } from './slots.ts'
import { admitBatches, forgetIdle, readTotals } from './totals.ts'
import type { Admitted } from './totals.ts'

/** Batches wait for so long, so that one row is written for many. */
export const ROLL_UP_AFTER_MS = 300_000
/** An hour is taken to be over then. What comes later is added to it all the same. */
const HOUR_OVER_AFTER_MS = 900_000
/** As it is in memory, which has 128 MB for all that the object does: batches that are rolled up in one step, and parts that become one. */
const MOST_BYTES_AT_ONCE = 24 * 1024 * 1024

const encodeParts = async (block: Block, part: Omit<NewPart, 'bytes' | 'body'>): Promise<NewPart[]> =>
  (await encodeShards(block)).map((shard) => ({ ...part, ...shard }))

/** Some of a series' slots. */
interface Excerpt {
  readonly key: string
  readonly series: RollupSeries
  readonly slots: number[]
}

/** A block of fine slots as one of each hour that it is of, one at a time: a series takes more room than its points. */
function* splitHours({ block, folded }: Admitted): Generator<readonly [hour: number, block: Block]> {
  const hours = new Map<number, Excerpt[]>([...folded.keys()].map((hour) => [hour, []]))
  for (const [key, series] of block.series) {
    for (const slot of series.points.keys()) {
      const hour = toHour(slot, FINE_MS)
      const excerpts = hours.get(hour) ?? []
      hours.set(hour, excerpts)
      const last = excerpts.at(-1)
      if (last?.series === series) last.slots.push(slot)
      else excerpts.push({ key, series, slots: [slot] })
    }
  }
  for (const [hour, excerpts] of hours) {
    const part = createBlock()
    part.folded = folded.get(hour) ?? 0
    for (const { key, series, slots } of excerpts)
      putSeries(part, key, { ...series, points: new Map(slots.map((slot) => [slot, series.points.get(slot) ?? []])) })
    yield [hour, part]
  }
}

const toStep = (block: Block, fromStepMs: number, stepMs: number): Block => {
  if (fromStepMs === stepMs) return block
  const stepped = createBlock()
  stepped.folded = block.folded
  const toSlot = toCoarser(fromStepMs, stepMs)
  for (const [key, series] of block.series) {
    const coarser = { ...series, points: new Map<number, number[]>() }
    putSeries(stepped, key, coarser)
    for (const [slot, point] of series.points) addPoint(stepped, coarser, toSlot(slot), point)
  }
  return stepped
}

/**
 * Some of the batches that wait become parts of their hours, in one transaction: each is counted once, however this ends.
 */
const rollUpBatches = async (context: RollupContext): Promise<void> => {
  giveUpBatches(context)
  const batches = tryBatches(context, MOST_BYTES_AT_ONCE)
  if (batches.length === 0) return
  const nowMs = context.now()
  const nowHour = Math.floor(nowMs / HOUR_MS)
  const totals = await readTotals(readTotalParts(context))
  forgetIdle(totals, nowHour)
  const admitted = await admitBatches(
    totals,
    batches.map(({ body }) => body),
    nowHour,
  )
  const untilMs = Math.max(...batches.map((batch) => batch.untilMs))
  const parts: NewPart[] = []
  for (const [hour, block] of splitHours(admitted)) {
    const stepMs = (hour + 1) * HOUR_MS > nowMs - FINE_KEPT_MS ? FINE_MS : COARSE_MS
    const until = Math.min(untilMs, (hour + 1) * HOUR_MS)
    parts.push(
      ...(await encodeParts(toStep(block, FINE_MS, stepMs), { hour, stepMs, untilMs: until, isMerged: false })),
    )
  }
  const totalBodies = (await encodeShards(totals)).map(({ body }) => body)
  context.transaction(() => {
    for (const part of parts) insertPart(context, part)
    for (const batch of batches) retireBatch(context, batch)
    blameBatches(context)
    replaceTotalParts(context, totalBodies)
  })
}

/** Of an hour's parts those that become one: first what has to, then what else there is room for. */
const chooseParts = (parts: readonly PartSummary[], stepMs: number): PartSummary[] => {
  const hasTo = (part: PartSummary) => part.stepMs < stepMs || !part.isMerged
  const [first, ...others] = parts.toSorted((a, b) => Number(hasTo(b)) - Number(hasTo(a)) || a.bytes - b.bytes)
  if (!first) return []
  let bytes = first.bytes
  return [first, ...others.filter((part) => (bytes += part.bytes) <= MOST_BYTES_AT_ONCE)]
}

/** Parts of an hour become one of this step: of a large hour some, and the others later. */
const mergeHour = async (context: RollupContext, hour: number, stepMs: number): Promise<void> => {
  const old = chooseParts(
    listParts(context, hour, hour).filter((part) => part.stepMs <= stepMs),
    stepMs,
  )
  const block = createBlock()
  for (const part of old) {
    const body = readPart(context, part)
    if (!body) throw new Error('a part of an hour is missing')
    await decodeInto(block, new Uint8Array(body), undefined, toCoarser(part.stepMs, stepMs))
  }
  const untilMs = Math.max(...old.map((part) => part.untilMs))
  const parts = await encodeParts(block, { hour, stepMs, untilMs, isMerged: true })
  context.transaction(() => {
    // Before the old ones go, so that none of them has the number of one that somebody is reading.
    for (const part of parts) insertPart(context, part)
    for (const part of old) deletePart(context, part)
  })
}

interface Task {
  readonly kind: 'batches' | 'coarser' | 'merge' | 'forget'
  readonly dueMs: number
  /** However often it has failed, it is tried again after so long. */
  readonly retryMs: number
  readonly run: () => Promise<void>
}

/** What is to be done, the first first. */
const listTasks = (context: RollupContext, retries: Retries): Task[] => {
  const received = findOldestBatch(context)
  const unmerged = findUnmerged(context)
  const fine = findOldestHourOf(context, FINE_MS)
  const oldest = findOldestHour(context)
  const endOf = (hour: number) => (hour + 1) * HOUR_MS
  const tasks: Task[] = []
  const add = (kind: Task['kind'], dueMs: number, run: Task['run'], retryMs = HOUR_MS) =>
    tasks.push({ kind, dueMs: Math.max(dueMs, retries.againAtMs(kind)), run, retryMs })
  // It is others that come next, and they are to wait no longer for one that failed.
  if (received !== undefined)
    add('batches', received + ROLL_UP_AFTER_MS, () => rollUpBatches(context), ROLL_UP_AFTER_MS)
  if (fine !== undefined) add('coarser', endOf(fine) + FINE_KEPT_MS, () => mergeHour(context, fine, COARSE_MS))
  if (unmerged) {
    const { hour, stepMs } = unmerged
    add('merge', endOf(hour) + HOUR_OVER_AFTER_MS, () => mergeHour(context, hour, stepMs))
  }
  if (oldest !== undefined)
    add('forget', endOf(oldest) + KEPT_MS, async () => context.transaction(() => deleteHours(context, oldest)))
  return tasks.toSorted((a, b) => a.dueMs - b.dueMs)
}

/** When the next thing is due, if there is one. */
export const nextRollUpMs = (context: RollupContext, retries = new Retries()): number | undefined =>
  listTasks(context, retries)[0]?.dueMs

/**
 * Does one thing that is due. What fails holds up nothing else: the next thing is done then. Throws after that;
 * `retries` knows when it is to be tried again.
 */
export const rollUp = async (context: RollupContext, retries = new Retries()): Promise<void> => {
  let failure: { readonly error: unknown } | undefined
  for (const { kind, dueMs, retryMs, run } of listTasks(context, retries)) {
    if (dueMs > context.now()) break
    try {
      await run()
      retries.done(kind)
      break
    } catch (error) {
      retries.failed(kind, context.now(), retryMs)
      failure ??= { error }
    }
  }
  if (failure) throw failure.error
}
