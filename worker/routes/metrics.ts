import type { RouteHandler } from '@hono/zod-openapi'
import type { z } from 'zod'
import { AtollError } from '#api/atoll-error.ts'
import { getMeshGraph, listServiceMetrics } from '#api/routes/metrics.ts'
import type { MeshGraph, metricsQuery } from '#api/schemas/metrics.ts'
import type { App, AppContext, AppEnv } from '../app-env.ts'
import { QueryError } from '../promql/query-error.ts'
import { chooseTold, flowLabels, groupTold, toWorkloadId } from '../telemetry/rollups/flows.ts'
import type { ToldSeries } from '../telemetry/rollups/flows.ts'
import { loadRollups } from '../telemetry/rollups/load-series.ts'
import { COARSE_MS, FINE_KEPT_MS, FINE_MS } from '../telemetry/rollups/slots.ts'
import { createTally, showTally, talliedNames } from '../telemetry/rollups/tally.ts'
import type { Tally } from '../telemetry/rollups/tally.ts'
import { OVERFLOW_LABEL } from '../telemetry/rollups/totals.ts'
import { confineFilter } from '../open-mesh.ts'
import { openClusters } from './telemetry.ts'

/** Into so many parts a window is cut, about. */
const PARTS = 30

interface Period {
  readonly fromMs: number
  readonly toMs: number
  readonly stepMs: number
}

/** From a whole step on, so that each of its slots but the last is whole. */
const toPeriod = ({ window, to }: z.infer<typeof metricsQuery>, nowMs: number): Period => {
  const toMs = to === undefined ? nowMs : Date.parse(to)
  const unitMs = toMs - window * 1000 < nowMs - FINE_KEPT_MS ? COARSE_MS : FINE_MS
  const stepMs = Math.ceil((window * 1000) / PARTS / unitMs) * unitMs
  return { fromMs: Math.floor((toMs - window * 1000) / stepMs) * stepMs, toMs, stepMs }
}

const toIso = (ms: number): string => new Date(ms).toISOString()

/** What was told of a mesh in the window that is asked for. */
const loadTold = async (c: AppContext, mesh: string, query: z.infer<typeof metricsQuery>) => {
  const asked = { env: c.env, ...(await openClusters(c, mesh, confineFilter(c, { cluster: query.cluster }))) }
  const { fromMs, toMs, stepMs } = toPeriod(query, Date.now())
  const matchers = [
    { label: '__name__', operator: '=~', value: talliedNames },
    // Of series that are too many: nobody knows whose they are. `folded` tells of them.
    { label: OVERFLOW_LABEL, operator: '=', value: '' },
  ] as const
  try {
    const loaded = await loadRollups(asked, { matchers, by: flowLabels, fromMs, toMs, stepMs })
    const actualStepMs = loaded.items.reduce((most, item) => Math.max(most, item.stepMs), stepMs)
    return {
      told: chooseTold(loaded.items),
      period: { fromMs, toMs, stepMs: actualStepMs },
      seconds: (toMs - fromMs) / 1000,
      rest: {
        from: toIso(fromMs),
        to: toIso(toMs),
        stepSeconds: actualStepMs / 1000,
        folded: loaded.items.reduce((sum, item) => sum + item.folded, 0),
        unavailable: loaded.unavailable,
      },
    }
  } catch (error) {
    if (error instanceof QueryError) throw new AtollError('too_large', 'ask for a shorter window, or for one cluster')
    throw error
  }
}

const toSeries = ({ slots }: Tally, { fromMs, toMs, stepMs }: Period) => {
  const series = []
  for (let slot = fromMs / stepMs + 1; (slot - 1) * stepMs < toMs; slot++) {
    const { requests, errors } = slots.get(slot) ?? { requests: 0, errors: 0 }
    const seconds = (Math.min(slot * stepMs, toMs) - (slot - 1) * stepMs) / 1000
    series.push({
      at: toIso(Math.min(slot * stepMs, toMs)),
      requestRate: requests / seconds,
      errorRate: errors / seconds,
    })
  }
  return series
}

const serviceOf = ({ labels }: ToldSeries): string => labels.get('destination_service') ?? 'unknown'

const unique = (texts: readonly string[]): string[] => [...new Set(texts)].sort((a, b) => (a < b ? -1 : 1))

const showServices: RouteHandler<typeof listServiceMetrics, AppEnv> = async (c) => {
  const { told, period, seconds, rest } = await loadTold(c, c.req.valid('param').mesh, c.req.valid('query'))
  const items = groupTold(told, serviceOf).map((group) => {
    const [first] = group.told
    return {
      service: serviceOf(first),
      name: first.labels.get('destination_service_name') ?? serviceOf(first),
      namespace: first.labels.get('destination_service_namespace') ?? 'unknown',
      clusters: unique(group.told.map(({ destination }) => destination.cluster)),
      ...showTally(group.tally, seconds),
      series: toSeries(group.tally, period),
    }
  })
  return c.json({ ...rest, items }, 200)
}

const toNodes = (told: readonly ToldSeries[], seconds: number): MeshGraph['nodes'] => {
  const groups = groupTold(told, ({ destination }) => toWorkloadId(destination))
  const called = new Map(groups.map((group) => [toWorkloadId(group.told[0].destination), group]))
  const workloads = new Map(
    told.flatMap(({ source, destination }) => [source, destination].map((each) => [toWorkloadId(each), each])),
  )
  return unique([...workloads.keys()]).flatMap((id) => {
    const workload = workloads.get(id)
    const { told: calls, tally } = called.get(id) ?? { told: [], tally: createTally() }
    return workload ? [{ id, ...workload, services: unique(calls.map(serviceOf)), ...showTally(tally, seconds) }] : []
  })
}

/** What all who know it say. */
const toMutualTls = (told: readonly ToldSeries[]): boolean | null => {
  const policies = unique(told.map(({ labels }) => labels.get('connection_security_policy') ?? 'unknown'))
  return policies.includes('none') ? false : policies.includes('mutual_tls') ? true : null
}

const showGraph: RouteHandler<typeof getMeshGraph, AppEnv> = async (c) => {
  const { told, seconds, rest } = await loadTold(c, c.req.valid('param').mesh, c.req.valid('query'))
  const protocolOf = ({ labels }: ToldSeries) => labels.get('request_protocol') ?? 'tcp'
  const edges = groupTold(told, (each) =>
    JSON.stringify([toWorkloadId(each.source), toWorkloadId(each.destination), serviceOf(each), protocolOf(each)]),
  ).map((group) => {
    const [first] = group.told
    return {
      source: toWorkloadId(first.source),
      destination: toWorkloadId(first.destination),
      service: serviceOf(first),
      protocol: protocolOf(first),
      reporter: first.isOfDestination ? 'destination' : 'source',
      mutualTls: toMutualTls(group.told),
      ...showTally(group.tally, seconds),
    }
  })
  const clusters = groupTold(told, ({ destination }) => destination.cluster).map((group) => ({
    name: group.told[0].destination.cluster,
    ...showTally(group.tally, seconds),
  }))
  return c.json({ ...rest, nodes: toNodes(told, seconds), clusters, edges }, 200)
}

export const addMetricsRoutes = (app: App): void => {
  app.openapi(listServiceMetrics, showServices)
  app.openapi(getMeshGraph, showGraph)
}
