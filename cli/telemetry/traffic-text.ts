import type { ServiceMetrics, TrafficMetrics } from '#api/schemas/metrics.ts'
import type { Paint } from '../output/colour.ts'
import { toSafeWord } from '../output/safe-text.ts'
import { toShort } from '../output/to-short.ts'
import { toDurationText } from './log-line.ts'

/** How it goes, in columns: those of TCP only where there is some. */
export const toTrafficColumns = (shown: readonly TrafficMetrics[]) => {
  const hasTcp = shown.some(({ tcp }) => tcp.openedRate + tcp.sentByteRate + tcp.receivedByteRate > 0)
  return {
    headings: ['REQ/S', 'ERRORS', 'P50', 'P90', 'P99', ...(hasTcp ? ['CONN/S', 'BYTES/S'] : [])],
    toCells: ({ requestRate, errorRatio, p50, p90, p99, tcp }: TrafficMetrics, paint: Paint): readonly string[] => [
      toRateText(requestRate),
      toErrorsText(errorRatio, paint),
      ...[p50, p90, p99].map(toLatencyText),
      ...(hasTcp ? [toRateText(tcp.openedRate), toBytesText(tcp.sentByteRate + tcp.receivedByteRate)] : []),
    ],
  }
}

/** "0.25", "12.3", "4810": three digits that say something. */
export const toRateText = (rate: number): string =>
  rate === 0 ? '-' : rate < 0.01 ? '<0.01' : rate < 1000 ? String(Number(rate.toPrecision(3))) : rate.toFixed(0)

export const toLatencyText = (milliseconds: number | null): string =>
  milliseconds === null ? '-' : toDurationText(Math.round(milliseconds * 1000))

/** From so much of the requests on it is a failure, and no longer some bad luck. */
const manyErrors = 0.05

export const toErrorColour = (ratio: number | null): 'red' | 'yellow' | undefined =>
  ratio === null || ratio === 0 ? undefined : ratio < manyErrors ? 'yellow' : 'red'

export const toRatioText = (ratio: number | null): string =>
  ratio === null ? '-' : ratio > 0 && ratio < 0.001 ? '<0.1%' : `${Number((ratio * 100).toFixed(1))}%`

const toErrorsText = (ratio: number | null, paint: Paint): string => {
  const colour = toErrorColour(ratio)
  return colour ? paint(colour, toRatioText(ratio)) : toRatioText(ratio)
}

const units = ['B', 'KiB', 'MiB', 'GiB'] as const

const toBytesText = (bytes: number): string => {
  if (bytes === 0) return '-'
  const power = Math.min(Math.max(Math.floor(Math.log2(bytes) / 10), 0), units.length - 1)
  return `${Number((bytes / 1024 ** power).toPrecision(3))}${units[power] ?? ''}`
}

const heights = Array.from('▁▂▃▄▅▆▇█')

/** Requests in time, the most of them as high as a line; red where some failed. */
export const toCourse = (series: ServiceMetrics['items'][number]['series'], paint: Paint): string => {
  const most = Math.max(...series.map(({ requestRate }) => requestRate))
  return series
    .map(({ requestRate, errorRate }) => {
      if (requestRate === 0) return ' '
      const height = heights[Math.ceil((requestRate / most) * heights.length) - 1] ?? ''
      return errorRate > 0 ? paint('red', height) : height
    })
    .join('')
}

/** A host as people say it: "reviews.shop". */
export const toShortHost = (host: string): string => host.replace(/\.svc\.cluster\.local$/, '')

/** "west/shop/reviews-v1" of the API's "cluster/namespace/workload", as far as it is known. */
export const toWorkloadText = (id: string): string => id.replace(/^(unknown\/)+/, '')

const maxName = 60

/** A name from elsewhere, in a column. */
export const toNameCell = (name: string): string => toSafeWord(toShort(name, maxName))

/** Whether a host goes by this name: its own or, in Kubernetes, its first label with or without the namespace. As the search for records has it. */
export const isCalled = (host: string, name: string): boolean => {
  const [, short, namespace] = /^([^.]+)\.([^.]+)\.svc\./.exec(host) ?? []
  return name === host || (short !== undefined && (name === short || name === `${short}.${namespace}`))
}

export const toMutualTlsText = (mutualTls: boolean | null, paint: Paint): string =>
  mutualTls === null ? '-' : mutualTls ? 'yes' : paint('yellow', 'no')
