import type { ClusterName } from '#mesh/names.ts'
import { findNeeds, toSteps } from '../../promql/evaluate.ts'
import type { Need, TimeRange } from '../../promql/evaluate.ts'
import type { Expression, Matcher, Selector } from '../../promql/expression.ts'
import { toLabelKey, toLabelTest } from '../../promql/labels.ts'
import type { Labels } from '../../promql/labels.ts'
import { QueryError } from '../../promql/query-error.ts'
import { toCounterSeries } from '../../promql/series.ts'
import type { Series } from '../../promql/series.ts'
import type { Place } from '../place.ts'
import { askClusters } from '../search/ask-clusters.ts'
import { openTelemetryStore } from '../telemetry-store.ts'
import type { RollupSeries } from './block.ts'
import { decodeBlock } from './block-codec.ts'
import { LoadBudget, refuseTooMuch } from './load-budget.ts'
import type { RollupQuery } from './read-rollups.ts'
import { measureNamed, toNamer } from './series-name.ts'
import { COARSE_MS, FINE_KEPT_MS, FINE_MS, HOUR_MS, KEPT_MS } from './slots.ts'

/** The clusters of a mesh that are asked. */
export interface Asked {
  readonly env: Cloudflare.Env
  readonly mesh: Pick<Place, 'orgId' | 'meshId'>
  readonly clusters: readonly ClusterName[]
}

export interface Loaded<Item> {
  readonly items: readonly Item[]
  /** Clusters that are missing in it. */
  readonly unavailable: Awaited<ReturnType<typeof askClusters>>['unavailable']
}

/** A cluster that is asked about, by the matchers of its label. */
const toClusterTest = (matchers: readonly Matcher[]) => {
  const test = toLabelTest(matchers.filter(({ label }) => label === 'cluster'))
  return (cluster: string) => test(new Map([['cluster', cluster]]))
}

export interface ClusterRollups {
  readonly cluster: ClusterName
  readonly series: readonly RollupSeries[]
  /** Points that are in the series of those that are too many. */
  readonly folded: number
  readonly stepMs: number
  readonly untilMs: number
}

/**
 * What the clusters counted. Nothing more is asked for when it is too much.
 *
 * @throws QueryError
 */
export const loadRollups = async (
  { env, mesh, clusters }: Asked,
  query: RollupQuery,
  budget = new LoadBudget(),
): Promise<Loaded<ClusterRollups>> => {
  const isAsked = toClusterTest(query.matchers)
  const { answers, unavailable } = await askClusters(clusters.filter(isAsked), async (cluster) => {
    if (budget.isSpent) return undefined
    const answer = await openTelemetryStore(env, { ...mesh, cluster }).readRollups(cluster, query)
    if (answer.kind === 'too-much') {
      budget.exhaust()
      return undefined
    }
    if (!budget.take(answer.bytes)) return undefined
    const { series, folded } = await decodeBlock(answer.block)
    return { series: [...series.values()], folded, stepMs: answer.stepMs, untilMs: answer.untilMs }
  })
  const items = answers.map(({ cluster, answer }) => (answer ? { cluster, ...answer } : refuseTooMuch()))
  return { items, unavailable }
}

/** Seen by the hour before, so that a counter does not begin where the query does; and a series is there for an hour after it was counted last. */
const MARGIN_MS = HOUR_MS
/** Ranges and times from here on are answered from what is kept by the minute. */
const LONG_RANGE_MS = 600_000
const LONG_TIME_MS = 6 * HOUR_MS

const chooseStep = ({ selector, fromMs, toMs }: Need, nowMs: number): number => {
  const { rangeMs } = selector
  if (fromMs - MARGIN_MS < nowMs - FINE_KEPT_MS) return COARSE_MS
  if (rangeMs !== undefined) return rangeMs < LONG_RANGE_MS ? FINE_MS : COARSE_MS
  return toMs - fromMs <= LONG_TIME_MS ? FINE_MS : COARSE_MS
}

/** A number in a map, and in two lists. */
const SAMPLE_BYTES = 60

const toSeries = (
  { cluster, series, stepMs, untilMs }: ClusterRollups,
  matchers: readonly Matcher[],
  sinceMs: number,
  budget: LoadBudget,
): Series[] => {
  const grid = {
    stepMs,
    sinceMs: Math.floor(sinceMs / stepMs) * stepMs,
    untilMs: Math.floor(untilMs / stepMs) * stepMs,
  }
  /** By labels: histograms whose bounds differ have series in common. */
  const counted = new Map<string, { readonly labels: Labels; readonly slots: Map<number, number> }>()
  const toNames = toNamer(matchers, cluster)
  for (const each of series) {
    const named = toNames(each)
    budget.spend(named.length * (measureNamed(each) + SAMPLE_BYTES * each.points.size))
    for (const { labels, valueOf } of named) {
      const key = toLabelKey(labels)
      const { slots } = counted.get(key) ?? { slots: new Map<number, number>() }
      counted.set(key, { labels, slots })
      for (const [slot, point] of each.points) slots.set(slot, (slots.get(slot) ?? 0) + valueOf(point))
    }
  }
  return [...counted.values()].map(({ labels, slots }) => {
    const points = [...slots].sort(([a], [b]) => a - b)
    let total = 0
    const samples = {
      times: Float64Array.from(points, ([slot]) => slot * stepMs),
      values: Float64Array.from(points, ([, value]) => (total += value)),
    }
    return toCounterSeries(labels, grid, samples)
  })
}

/** Each is asked of all clusters. */
const MAX_SELECTORS = 30

export interface LoadedQuery {
  readonly seriesOf: (selector: Selector) => readonly Series[]
  readonly unavailable: Loaded<unknown>['unavailable']
}

/**
 * All that a query reads. Counters begin at 0 somewhat before the time that is asked about: how they grow is what was counted.
 *
 * @throws QueryError
 */
export const loadSeries = async (
  asked: Asked,
  expression: Expression,
  range: TimeRange,
  nowMs: number,
): Promise<LoadedQuery> => {
  const found = new Map<Selector, readonly Series[]>()
  const unavailable = new Map<string, Loaded<unknown>['unavailable'][number]>()
  toSteps(range)
  const budget = new LoadBudget()
  /** By what is asked for: parts of a query often want the same. */
  const known = new Map<string, readonly Series[]>()
  for (const need of findNeeds(expression, range)) {
    const { selector, by, toMs } = need
    const { matchers } = selector
    // There is nothing older than what is kept.
    const sinceMs = Math.max(need.fromMs - MARGIN_MS, nowMs - KEPT_MS - MARGIN_MS)
    const query = { matchers, ...(by && { by }), fromMs: sinceMs, toMs, stepMs: chooseStep(need, nowMs) }
    const key = JSON.stringify(query)
    let series = known.get(key)
    if (!series) {
      if (known.size >= MAX_SELECTORS) throw new QueryError(`the query has more than ${MAX_SELECTORS} selectors`)
      const loaded = await loadRollups(asked, query, budget)
      for (const each of loaded.unavailable) unavailable.set(each.cluster, each)
      series = loaded.items.flatMap((item) => toSeries(item, matchers, sinceMs, budget))
      known.set(key, series)
    }
    found.set(selector, series)
  }
  return { seriesOf: (selector) => found.get(selector) ?? [], unavailable: [...unavailable.values()] }
}
