/** Upper bounds in seconds: an API server waits for a webhook ten seconds at most. */
const bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const

/** How often something took how long, since the start. */
export interface DurationMeasure {
  /** By upper bound in seconds, how many took no longer; `Infinity` is all of them. */
  readonly buckets: readonly { readonly le: number; readonly count: number }[]
  readonly sumSeconds: number
}

/** Counts durations by their size, in constant space. */
export class DurationHistogram {
  readonly #counts = [...bounds, Infinity].map((le) => ({ le, count: 0 }))
  #sumSeconds = 0

  record(seconds: number): void {
    this.#sumSeconds += seconds
    for (const bucket of this.#counts) if (seconds <= bucket.le) bucket.count += 1
  }

  measure(): DurationMeasure {
    return { buckets: this.#counts.map((bucket) => ({ ...bucket })), sumSeconds: this.#sumSeconds }
  }
}

/** A histogram in Prometheus' text format. prom-client's own can only be told of single observations. */
export const toHistogramText = (name: string, help: string, { buckets, sumSeconds }: DurationMeasure): string =>
  [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} histogram`,
    ...buckets.map(({ le, count }) => `${name}_bucket{le="${le === Infinity ? '+Inf' : le}"} ${count}`),
    `${name}_sum ${sumSeconds}`,
    `${name}_count ${buckets.at(-1)?.count ?? 0}`,
    '',
  ].join('\n')
