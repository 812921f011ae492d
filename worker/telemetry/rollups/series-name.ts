import type { Matcher } from '../../promql/expression.ts'
import { METRIC_NAME, toLabelTest, withLabel } from '../../promql/labels.ts'
import type { Labels } from '../../promql/labels.ts'
import { toNumberText } from '../../promql/to-response.ts'
import type { SeriesIdentity } from './block.ts'

/** Rollups as Prometheus names them: a sum is one series, a histogram one of each bucket, `_sum` and `_count`. */

export const toLabels = ({ labels }: SeriesIdentity): Labels => {
  const map = new Map<string, string>()
  for (let index = 0; index < labels.length; index += 2) map.set(labels[index] ?? '', labels[index + 1] ?? '')
  return map
}

const histogramSuffixes = ['_bucket', '_sum', '_count'] as const

const namesOf = ({ name, bounds }: SeriesIdentity): readonly string[] =>
  bounds ? histogramSuffixes.map((suffix) => `${name}${suffix}`) : [name]

const BUCKET_LABEL = 'le'

const isOfName = ({ label }: Matcher): boolean => label === METRIC_NAME
/** What a series gets only when it is named: not a label of the rollup. */
const isNaming = (matcher: Matcher): boolean => isOfName(matcher) || matcher.label === BUCKET_LABEL

/** Whether some of what a rollup is named matches, as far as its own labels say. `cluster`: the one that tells it. */
export const toRollupTest = (matchers: readonly Matcher[], cluster: string): ((series: SeriesIdentity) => boolean) => {
  const testName = toLabelTest(matchers.filter(isOfName))
  const others = matchers.filter((matcher) => !isNaming(matcher))
  const testLabels = toLabelTest(others)
  return (series) =>
    namesOf(series).some((name) => testName(new Map([[METRIC_NAME, name]]))) &&
    (others.length === 0 || testLabels(withLabel(toLabels(series), 'cluster', cluster)))
}

/** One of the series that a rollup is in Prometheus, and how its value comes of a point. */
interface SeriesPart {
  readonly name: string
  /** Of a bucket. */
  readonly le?: string
  readonly valueOf: (point: readonly number[]) => number
}

const sumUntil = (point: readonly number[], last: number): number => {
  let sum = 0
  for (let index = 1; index <= last; index++) sum += point[index] ?? 0
  return sum
}

const partsOf = ({ name, bounds }: SeriesIdentity): SeriesPart[] =>
  bounds
    ? [
        ...[...bounds, Infinity].map((bound, index) => ({
          name: `${name}_bucket`,
          le: toNumberText(bound),
          valueOf: (point: readonly number[]) => sumUntil(point, index + 1),
        })),
        { name: `${name}_sum`, valueOf: ([sum = 0]) => sum },
        { name: `${name}_count`, valueOf: (point) => sumUntil(point, point.length - 1) },
      ]
    : [{ name, valueOf: ([value = 0]) => value }]

/** Which of the series that a rollup is these matchers want; only names and bounds are still asked about. */
export const toPartsPicker = (matchers: readonly Matcher[]): ((series: SeriesIdentity) => SeriesPart[]) => {
  const naming = matchers.filter(isNaming)
  const test = toLabelTest(naming)
  if (naming.length === 0) return partsOf
  return (series) => {
    const { labels } = series
    const own = labels.findIndex((text, index) => index % 2 === 0 && text === BUCKET_LABEL)
    const ownBucket = own === -1 ? '' : (labels[own + 1] ?? '')
    return partsOf(series).filter(({ name, le = ownBucket }) =>
      test(
        new Map([
          [METRIC_NAME, name],
          [BUCKET_LABEL, le],
        ]),
      ),
    )
  }
}

/** One of the series that a rollup is in Prometheus, with all its labels. */
export interface NamedSeries extends Pick<SeriesPart, 'valueOf'> {
  readonly labels: Labels
}

/** What rollups are called, of a cluster: those series that these matchers want. */
export const toNamer = (matchers: readonly Matcher[], cluster: string): ((series: SeriesIdentity) => NamedSeries[]) => {
  const pick = toPartsPicker(matchers)
  return (series) => {
    const parts = pick(series)
    if (parts.length === 0) return []
    const own = withLabel(toLabels(series), 'cluster', cluster)
    return parts.map(({ name, le, valueOf }) => {
      const labels = new Map([[METRIC_NAME, name], ...own])
      if (le !== undefined) labels.set(BUCKET_LABEL, le)
      return { labels, valueOf }
    })
  }
}

/** What one of the series that a rollup is takes in memory, about: its labels, and the text that it is known by. */
export const measureNamed = ({ labels }: SeriesIdentity): number =>
  500 + 40 * labels.length + labels.reduce((sum, text) => sum + text.length, 0)
