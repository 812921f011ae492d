import type { StandardLabel, StandardMetric } from '#mesh/telemetry/standard-metrics.ts'

/** What a proxy counts of the calls that it passes on: as who calls, and as who is called. */
export interface StandardMetrics {
  readonly client: readonly CountedMetric[]
  readonly server: readonly CountedMetric[]
}

export interface CountedMetric {
  readonly metric: StandardMetric
  /** Labels of the standard that are not wanted, or come from `labels`. */
  readonly without: readonly StandardLabel[]
  /** Further labels, each with Envoy's format of its value. */
  readonly labels: Readonly<Record<string, string>>
}
