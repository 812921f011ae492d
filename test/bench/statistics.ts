export interface Distribution {
  readonly count: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly max: number
}

const round = (value: number): number => Math.round(value * 100) / 100

/** Nearest-rank quantiles of milliseconds, rounded to hundredths. */
export const toDistribution = (samples: readonly number[]): Distribution => {
  const sorted = [...samples].sort((a, b) => a - b)
  const at = (quantile: number): number =>
    round(sorted[Math.max(0, Math.ceil(sorted.length * quantile) - 1)] ?? Number.NaN)
  return { count: sorted.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) }
}

export const toMebibytes = (bytes: number): number => round(bytes / (1024 * 1024))
