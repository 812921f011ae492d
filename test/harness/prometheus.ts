import { metricPrefix, standardMetrics, type Traffic } from '#mesh/telemetry/standard-metrics.ts'
import { findProgram } from '../../scripts/find-program.mjs'

/** Path of a real Prometheus; Debian has it in "prometheus". Undefined where there is none. */
export const prometheusPath = findProgram('prometheus')

/** What it answers to a query: the values of the series, without those that are no number. */
export type PrometheusQuery = (text: string) => Promise<number[]>

interface Answer {
  readonly status: string
  readonly error?: string
  readonly data?: { readonly result: readonly { readonly value: readonly [number, string] }[] }
}

/** Asks the Prometheus at this URL; throws with the query and the reason when it refuses. */
export const toPrometheusQuery =
  (url: string): PrometheusQuery =>
  async (text) => {
    const body = new URLSearchParams({ query: text })
    const answer = (await (await fetch(`${url}/api/v1/query`, { method: 'POST', body })).json()) as Answer
    if (answer.status !== 'success') throw new Error(`${text}: ${answer.error ?? answer.status}`)
    return (answer.data?.result ?? []).map(({ value }) => Number(value[1])).filter((value) => !Number.isNaN(value))
  }

export const reporters = ['source', 'destination'] as const

/** The standard metrics of these kinds of traffic that do not rise at a side of the calls: "istio_requests_total of source". */
export const findSilentMetrics = async (
  query: PrometheusQuery,
  {
    range,
    matchers = '',
    traffic,
  }: { readonly range: string; readonly matchers?: string; readonly traffic: readonly Traffic[] },
): Promise<string[]> => {
  const names = Object.entries(standardMetrics)
    .filter(([, { of }]) => traffic.includes(of))
    .map(([name, { kind }]) => `${metricPrefix}${name}${kind === 'histogram' ? '_count' : ''}`)
  const found = await Promise.all(
    names.flatMap((name) =>
      reporters.map(async (reporter) => {
        const [rate = 0] = await query(`sum(rate(${name}{reporter="${reporter}"${matchers}}[${range}]))`)
        return rate > 0 ? [] : [`${name} of ${reporter}`]
      }),
    ),
  )
  return found.flat()
}
