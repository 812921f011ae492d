import { addPoint, createBlock, removeSeries, seriesOf, toSeriesKey } from './block.ts'
import type { Block, SeriesIdentity } from './block.ts'
import { decodeInto } from './block-codec.ts'
import { FINE_MS, toHour } from './slots.ts'

/**
 * What was counted of each series since it is known: a block with one point for each, in the slot of the hour that it was last counted in. It is the list of the series
 * that there are, too, and has an end.
 */
export const MAX_SERIES = 10_000
/** Of series of those that are too many. What is more has names that nobody else has, and is only counted as folded. */
const MAX_OVERFLOW_SERIES = 1000
/** Of all these together: labels that are very long leave room for fewer. */
const MAX_BYTES = 32 * 1024 * 1024
/** A series that was not counted for so long is forgotten; if it comes again, it begins at nothing. */
const FORGOTTEN_AFTER_HOURS = 24

export const OVERFLOW_LABEL = 'otel_metric_overflow'

const reporterOf = (labels: readonly string[]): readonly string[] => {
  const index = labels.findIndex((text, place) => place % 2 === 0 && text === 'reporter')
  const reporter = labels[index + 1]
  return index !== -1 && (reporter === 'source' || reporter === 'destination') ? ['reporter', reporter] : []
}

/** The series of those that are too many (OpenTelemetry: Metrics SDK, cardinality limits). The reporter is kept, so that nothing is counted twice. */
const toOverflow = ({ name, labels, bounds }: SeriesIdentity): SeriesIdentity => ({
  name,
  labels: [OVERFLOW_LABEL, 'true', ...reporterOf(labels)],
  bounds,
})

/** The series itself while there is room for it, else the one of those that are too many. */
const admit = (totals: Block, series: SeriesIdentity): SeriesIdentity | undefined => {
  if (totals.series.has(toSeriesKey(series))) return series
  const isRoom = totals.series.size < MAX_SERIES && totals.bytes < MAX_BYTES
  const admitted = isRoom ? series : toOverflow(series)
  if (!isRoom && totals.series.size >= MAX_SERIES + MAX_OVERFLOW_SERIES && !totals.series.has(toSeriesKey(admitted)))
    return undefined
  seriesOf(totals, admitted)
  return admitted
}

/** What batches counted, of series for which there is room. */
export interface Admitted {
  readonly block: Block
  /** By hour, how many points are in the series of those that are too many. */
  readonly folded: ReadonlyMap<number, number>
}

/** Adds batches up, and to the sums of all that was counted: in this hour, whenever it was. `toSlot`: where what they counted goes to. */
export const admitBatches = async (
  totals: Block,
  bodies: Iterable<ArrayBuffer>,
  nowHour: number,
  toSlot = (slot: number): number => slot,
): Promise<Admitted> => {
  const block = createBlock()
  const folded = new Map<number, number>()
  let isFolded = false
  const fold = (hour: number, points: number) => folded.set(hour, (folded.get(hour) ?? 0) + points)
  const pick = (series: SeriesIdentity, points: number) => {
    const admitted = admit(totals, series)
    isFolded = admitted !== undefined && admitted !== series
    if (!admitted) fold(nowHour, points)
    return admitted
  }
  const place = (slot: number) => {
    if (isFolded) fold(toHour(slot, FINE_MS), 1)
    return toSlot(slot)
  }
  for (const body of bodies) await decodeInto(block, new Uint8Array(body), pick, place)
  addToTotals(totals, block, nowHour)
  for (const points of folded.values()) totals.folded += points
  return { block, folded }
}

/** What was counted since the beginning, as it is stored: sums of what was rolled up, and what waits to be. */
export interface StoredSums {
  readonly totals: readonly ArrayBuffer[]
  readonly batches: readonly ArrayBuffer[]
}

/** The sums of blocks that have different series. */
export const readTotals = async (bodies: readonly ArrayBuffer[]): Promise<Block> => {
  const totals = createBlock()
  for (const body of bodies) await decodeInto(totals, new Uint8Array(body))
  return totals
}

/** Each series with one point, waiting batches too. */
export const addUpSums = async ({ totals, batches }: StoredSums, nowHour: number): Promise<Block> => {
  const sums = await readTotals(totals)
  await admitBatches(sums, batches, nowHour, () => nowHour)
  return sums
}

const addToTotals = (totals: Block, block: Block, nowHour: number): void => {
  for (const [key, series] of block.series) {
    const before = totals.series.get(key)
    if (before) removeSeries(totals, key, before)
    const target = seriesOf(totals, series)
    for (const point of [...(before?.points.values() ?? []), ...series.points.values()])
      addPoint(totals, target, nowHour, point)
  }
}

/** Takes out what was not counted for long. */
export const forgetIdle = (totals: Block, nowHour: number): void => {
  for (const [key, series] of totals.series) {
    const [lastHour] = series.points.keys()
    if (lastHour === undefined || lastHour < nowHour - FORGOTTEN_AFTER_HOURS) removeSeries(totals, key, series)
  }
}
