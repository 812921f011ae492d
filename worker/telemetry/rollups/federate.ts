import { metricPrefix, standardMetrics } from '#mesh/telemetry/standard-metrics.ts'
import type { Matcher } from '../../promql/expression.ts'
import { toNumberText } from '../../promql/to-response.ts'
import { openTelemetryStore } from '../telemetry-store.ts'
import type { RollupSeries } from './block.ts'
import type { Asked } from './load-series.ts'
import { toPartsPicker, toRollupTest } from './series-name.ts'
import { HOUR_MS } from './slots.ts'
import { addUpSums } from './totals.ts'

/** Prometheus' text format (its reference: Exposition formats), a cluster at a time, so that a large mesh takes no more memory than its largest cluster. */

const escapeValue = (value: string): string =>
  /[\\\n"]/.test(value) ? value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"') : value

/** What a series' lines have in common. */
const toLabelsText = ({ labels, bounds }: RollupSeries, cluster: string): string => {
  let text = ''
  for (let index = 0; index < labels.length; index += 2) {
    const name = labels[index] ?? ''
    if (name === 'cluster' || (bounds && name === 'le')) continue
    text += `${name}="${escapeValue(labels[index + 1] ?? '')}",`
  }
  return `${text}cluster="${cluster}"`
}

/** The lines of a cluster's series, one after the other, of the parts that any of the selectors wants. */
const toWriter = (selectors: readonly (readonly Matcher[])[], cluster: string): ((series: RollupSeries) => string) => {
  const choices = selectors.map((matchers) => ({
    test: toRollupTest(matchers, cluster),
    pick: toPartsPicker(matchers),
  }))
  return (series) => {
    const lines = new Set<string>()
    let labels: string | undefined
    for (const { test, pick } of choices) {
      if (!test(series)) continue
      for (const { name, le, valueOf } of pick(series)) {
        labels ??= toLabelsText(series, cluster)
        const head = `${name}{${labels}${le === undefined ? '' : `,le="${le}"`}}`
        for (const point of series.points.values()) lines.add(`${head} ${toNumberText(valueOf(point))}\n`)
      }
    }
    return [...lines].join('')
  }
}

/** Ahead of all: the series come by cluster, not by metric. */
const typeLines = [
  ...Object.entries(standardMetrics).map(([name, { kind }]) => `# TYPE ${metricPrefix}${name} ${kind}\n`),
  '# TYPE atoll_rollups_up gauge\n',
  '# TYPE atoll_rollups_folded_points_total counter\n',
].join('')

/** Whether the sums of each cluster were to be had. What is missing keeps its last value in who scrapes, for a while. */
const toUpLine = (cluster: string, isUp: boolean): string => `atoll_rollups_up{cluster="${cluster}"} ${Number(isUp)}\n`

const toFoldedLine = (cluster: string, folded: number): string =>
  `atoll_rollups_folded_points_total{cluster="${cluster}"} ${folded}\n`

async function* linesOf(
  { env, mesh, clusters }: Asked,
  selectors: readonly (readonly Matcher[])[],
): AsyncGenerator<string> {
  yield typeLines
  for (const cluster of clusters) {
    const sums = await openTelemetryStore(env, { ...mesh, cluster })
      .readSums()
      .then((parts) => addUpSums(parts, Math.floor(Date.now() / HOUR_MS)))
      .catch(() => undefined)
    yield toUpLine(cluster, sums !== undefined)
    if (!sums) continue
    yield toFoldedLine(cluster, sums.folded)
    const write = toWriter(selectors, cluster)
    for (const each of sums.series.values()) yield write(each)
  }
}

/** What was counted in a mesh since its series are known. */
export const federate = (asked: Asked, selectors: readonly (readonly Matcher[])[]): ReadableStream<Uint8Array> => {
  const lines = linesOf(asked, selectors)
  const encoder = new TextEncoder()
  return new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      let text = ''
      while (text.length < 64 * 1024) {
        const { done, value } = await lines.next()
        if (done) {
          if (text !== '') controller.enqueue(encoder.encode(text))
          controller.close()
          return
        }
        text += value
      }
      controller.enqueue(encoder.encode(text))
    },
  })
}
