/**
 * Rollups in memory: what was counted of each series in each slot of time. A slot is a number of steps since the epoch, and holds what was counted until then:
 * slot 7 of 10 s is ]60 s, 70 s].
 */

/** What was counted in a slot: `[value]` of a sum, `[sum, count of bucket, …]` of a histogram. */
type Point = readonly number[]

export interface RollupSeries {
  /** As OTLP names it: a histogram's has no `_bucket`. */
  readonly name: string
  /** Names and values in turn, by name. */
  readonly labels: readonly string[]
  /** Upper bounds of a histogram's buckets, but the last; undefined: it is a sum. */
  readonly bounds: readonly number[] | undefined
  readonly points: Map<number, number[]>
}

/** Which series it is. */
export type SeriesIdentity = Omit<RollupSeries, 'points'>

export interface Block {
  readonly series: Map<string, RollupSeries>
  /** Points whose series was one too many: they are in the series of what is too much. */
  folded: number
  /** What it takes in memory, about. */
  bytes: number
}

export const createBlock = (): Block => ({ series: new Map(), folded: 0, bytes: 0 })

/** In V8, rounded up: a series with its map, and its key; a point with its place in there. */
const SERIES_BYTES = 400
const POINT_BYTES = 100

const measurePoint = ({ bounds }: SeriesIdentity): number => POINT_BYTES + 8 * (bounds ? bounds.length + 1 : 0)

/** Nothing that is in a label comes near this. */
const SEPARATOR = '\u0000'

/** Most series share their bounds, and to write numbers takes long. */
const boundsTexts = new WeakMap<readonly number[], string>()

const toBoundsText = (bounds: readonly number[]): string => {
  const text = boundsTexts.get(bounds) ?? bounds.join(',')
  boundsTexts.set(bounds, text)
  return text
}

export const toSeriesKey = ({ name, labels, bounds }: SeriesIdentity): string =>
  `${name}${SEPARATOR}${labels.join(SEPARATOR)}${SEPARATOR}${bounds ? toBoundsText(bounds) : ''}`

export const seriesOf = (block: Block, { name, labels, bounds }: SeriesIdentity): RollupSeries => {
  const key = toSeriesKey({ name, labels, bounds })
  const known = block.series.get(key)
  if (known) return known
  const series = { name, labels, bounds, points: new Map<number, number[]>() }
  block.series.set(key, series)
  block.bytes += SERIES_BYTES + key.length
  return series
}

/** The point at a slot, to which is added. */
export const pointAt = (block: Block, series: RollupSeries, slot: number): number[] => {
  const known = series.points.get(slot)
  if (known) return known
  const point = Array.from({ length: series.bounds ? series.bounds.length + 2 : 1 }, () => 0)
  series.points.set(slot, point)
  block.bytes += measurePoint(series)
  return point
}

export const addPoint = (block: Block, series: RollupSeries, slot: number, more: Point): void => {
  const point = pointAt(block, series, slot)
  for (let index = 0; index < more.length; index++) point[index] = (point[index] ?? 0) + (more[index] ?? 0)
}

const measureSeries = (key: string, series: RollupSeries): number =>
  SERIES_BYTES + key.length + series.points.size * measurePoint(series)

export const removeSeries = (block: Block, key: string, series: RollupSeries): void => {
  if (block.series.delete(key)) block.bytes -= measureSeries(key, series)
}

/** Adds a series that the block does not have, with points that another block may have as well. */
export const putSeries = (block: Block, key: string, series: RollupSeries): void => {
  block.series.set(key, series)
  block.bytes += measureSeries(key, series)
}
