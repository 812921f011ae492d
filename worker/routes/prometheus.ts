import type { RouteHandler } from '@hono/zod-openapi'
import { z } from 'zod'
import { AtollError } from '#api/atoll-error.ts'
import {
  federateMetrics,
  getPrometheusBuildInfo,
  getPrometheusLabels,
  getPrometheusLabelValues,
  getPrometheusMetadata,
  getPrometheusQuery,
  getPrometheusQueryRange,
  getPrometheusSeries,
  postPrometheusLabels,
  postPrometheusQuery,
  postPrometheusQueryRange,
  postPrometheusSeries,
} from '#api/routes/prometheus.ts'
import type { refusalAnswer, seriesQuery } from '#api/schemas/prometheus.ts'
import type { App, AppContext, AppEnv } from '../app-env.ts'
import { evaluateQuery } from '../promql/evaluate.ts'
import type { Matcher } from '../promql/expression.ts'
import { toLabelKey } from '../promql/labels.ts'
import type { Labels } from '../promql/labels.ts'
import { parseDuration } from '../promql/literals.ts'
import { parseQuery, parseSelector } from '../promql/parse-query.ts'
import { QueryError } from '../promql/query-error.ts'
import { toInstantData, toMetric, toRangeData } from '../promql/to-response.ts'
import { federate } from '../telemetry/rollups/federate.ts'
import { loadRollups, loadSeries } from '../telemetry/rollups/load-series.ts'
import type { Asked, Loaded } from '../telemetry/rollups/load-series.ts'
import { LoadBudget } from '../telemetry/rollups/load-budget.ts'
import { measureNamed, toNamer } from '../telemetry/rollups/series-name.ts'
import { HOUR_MS } from '../telemetry/rollups/slots.ts'
import { openClusters } from './telemetry.ts'

/** Whose API this is like: what asks for it decides by it what it may ask. */
const LIKE_PROMETHEUS = '2.53.0'

const openAsked = async (c: AppContext, name: string): Promise<Asked> => ({
  env: c.env,
  ...(await openClusters(c, name)),
})

const toWarnings = (unavailable: Loaded<unknown>['unavailable']) =>
  unavailable.length === 0 ? {} : { warnings: unavailable.map(({ cluster, reason }) => `${cluster}: ${reason}`) }

type Refusal = z.infer<typeof refusalAnswer>

type Answer<Body> =
  | { readonly body: Body; readonly refusal?: never }
  | { readonly refusal: Refusal; readonly body?: never }

/** Answers, or says in Prometheus' words what is wrong with the query. */
const answer = async <Body>(work: () => Promise<Body>): Promise<Answer<Body>> => {
  try {
    return { body: await work() }
  } catch (error) {
    if (!(error instanceof QueryError)) throw error
    return { refusal: { status: 'error', errorType: 'bad_data', error: error.message } }
  }
}

/** Of JavaScript's dates. */
const MAX_TIME_MS = 8.64e15

const parseTime = (text: string | undefined, otherwiseMs: number): number => {
  if (text === undefined || text === '') return otherwiseMs
  const ms = /^-?\d+(\.\d*)?(e\+?\d+)?$/i.test(text) ? Number(text) * 1000 : Date.parse(text)
  if (!(Math.abs(ms) <= MAX_TIME_MS)) throw new QueryError(`"${text}" is not a time`)
  return Math.round(ms)
}

interface InstantParameters {
  readonly query: string
  readonly time?: string | undefined
}

const answerInstant = (c: AppContext, mesh: string, { query, time }: InstantParameters) =>
  answer(async () => {
    const nowMs = Date.now()
    const atMs = parseTime(time, nowMs)
    const range = { startMs: atMs, endMs: atMs, stepMs: 1000 }
    const expression = parseQuery(query)
    const { seriesOf, unavailable } = await loadSeries(await openAsked(c, mesh), expression, range, nowMs)
    const data = toInstantData(evaluateQuery(expression, range, seriesOf))
    return { status: 'success', data, ...toWarnings(unavailable) }
  })

interface RangeParameters {
  readonly query: string
  readonly start: string
  readonly end: string
  readonly step: string
}

const answerRange = (c: AppContext, mesh: string, { query, start, end, step }: RangeParameters) =>
  answer(async () => {
    const nowMs = Date.now()
    const range = { startMs: parseTime(start, nowMs), endMs: parseTime(end, nowMs), stepMs: parseDuration(step) ?? 0 }
    if (range.stepMs <= 0) throw new QueryError(`"${step}" is not a step`)
    if (range.endMs < range.startMs) throw new QueryError('the end is before the start')
    const expression = parseQuery(query)
    const { seriesOf, unavailable } = await loadSeries(await openAsked(c, mesh), expression, range, nowMs)
    const data = toRangeData(evaluateQuery(expression, range, seriesOf))
    return { status: 'success', data, ...toWarnings(unavailable) }
  })

type SeriesParameters = z.infer<typeof seriesQuery>

const selectorsOf = ({ 'match[]': match }: Pick<SeriesParameters, 'match[]'>): (readonly Matcher[])[] =>
  match === undefined ? [[]] : [match].flat().map((text) => parseSelector(text).matchers)

/** The series of any of the selectors. `by`: told apart by these labels alone. */
const findSeries = async (
  c: AppContext,
  mesh: string,
  parameters: SeriesParameters,
  by?: readonly string[],
): Promise<Loaded<Labels>> => {
  const nowMs = Date.now()
  const toMs = parseTime(parameters.end, nowMs)
  const fromMs = parseTime(parameters.start, toMs - HOUR_MS)
  const asked = await openAsked(c, mesh)
  const found = new Map<string, Labels>()
  const unavailable = new Map<string, Loaded<Labels>['unavailable'][number]>()
  const budget = new LoadBudget()
  for (const matchers of selectorsOf(parameters)) {
    const query = { matchers, ...(by && { by }), fromMs, toMs, stepMs: 24 * HOUR_MS }
    const loaded = await loadRollups(asked, query, budget)
    for (const each of loaded.unavailable) unavailable.set(each.cluster, each)
    for (const { cluster, series } of loaded.items) {
      const toNames = toNamer(matchers, cluster)
      for (const each of series) {
        const named = toNames(each)
        budget.spend(named.length * measureNamed(each))
        for (const { labels } of named) found.set(toLabelKey(labels), labels)
      }
    }
  }
  return { items: [...found.values()], unavailable: [...unavailable.values()] }
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

const answerSeries = (c: AppContext, mesh: string, parameters: SeriesParameters) =>
  answer(async () => {
    const { items, unavailable } = await findSeries(c, mesh, parameters)
    return { status: 'success', data: items.map(toMetric), ...toWarnings(unavailable) }
  })

const answerTexts = (
  c: AppContext,
  mesh: string,
  parameters: SeriesParameters,
  textsOf: (labels: Labels) => Iterable<string>,
  by?: readonly string[],
) =>
  answer(async () => {
    const { items, unavailable } = await findSeries(c, mesh, parameters, by)
    const texts = new Set(items.flatMap((labels) => [...textsOf(labels)]))
    return { status: 'success', data: [...texts].sort(byText), ...toWarnings(unavailable) }
  })

const namesOfLabels = (labels: Labels) => labels.keys()

/** What the query says, or 422 with what is wrong with it. */
const respond = <Body extends object>(c: AppContext, { body, refusal }: Answer<Body>) =>
  refusal ? c.json(refusal, 422) : c.json(body, 200)

const queryAtOneTime: RouteHandler<typeof getPrometheusQuery, AppEnv> = async (c) =>
  respond(c, await answerInstant(c, c.req.valid('param').mesh, c.req.valid('query')))
const postQueryAtOneTime: RouteHandler<typeof postPrometheusQuery, AppEnv> = async (c) =>
  respond(c, await answerInstant(c, c.req.valid('param').mesh, c.req.valid('form')))
const queryOverTime: RouteHandler<typeof getPrometheusQueryRange, AppEnv> = async (c) =>
  respond(c, await answerRange(c, c.req.valid('param').mesh, c.req.valid('query')))
const postQueryOverTime: RouteHandler<typeof postPrometheusQueryRange, AppEnv> = async (c) =>
  respond(c, await answerRange(c, c.req.valid('param').mesh, c.req.valid('form')))
const listSeries: RouteHandler<typeof getPrometheusSeries, AppEnv> = async (c) =>
  respond(c, await answerSeries(c, c.req.valid('param').mesh, c.req.valid('query')))
const postListSeries: RouteHandler<typeof postPrometheusSeries, AppEnv> = async (c) =>
  respond(c, await answerSeries(c, c.req.valid('param').mesh, c.req.valid('form')))
const listLabels: RouteHandler<typeof getPrometheusLabels, AppEnv> = async (c) =>
  respond(c, await answerTexts(c, c.req.valid('param').mesh, c.req.valid('query'), namesOfLabels))
const postListLabels: RouteHandler<typeof postPrometheusLabels, AppEnv> = async (c) =>
  respond(c, await answerTexts(c, c.req.valid('param').mesh, c.req.valid('form'), namesOfLabels))
const listLabelValues: RouteHandler<typeof getPrometheusLabelValues, AppEnv> = async (c) => {
  const { mesh, label } = c.req.valid('param')
  const textsOf = (labels: Labels) => [labels.get(label) ?? []].flat()
  return respond(c, await answerTexts(c, mesh, c.req.valid('query'), textsOf, [label]))
}

const listMetadata: RouteHandler<typeof getPrometheusMetadata, AppEnv> = async (c) => {
  const nowMs = Date.now()
  const { items, unavailable } = await loadRollups(await openAsked(c, c.req.valid('param').mesh), {
    matchers: [],
    by: [],
    fromMs: nowMs - HOUR_MS,
    toMs: nowMs,
    stepMs: 24 * HOUR_MS,
  })
  const series = items.flatMap((item) => item.series)
  const data = Object.fromEntries(
    series.map(({ name, bounds }) => [name, [{ type: bounds ? 'histogram' : 'counter', help: '', unit: '' }]]),
  )
  return c.json({ status: 'success', data, ...toWarnings(unavailable) }, 200)
}

const showBuildInfo: RouteHandler<typeof getPrometheusBuildInfo, AppEnv> = async (c) => {
  await openAsked(c, c.req.valid('param').mesh)
  return c.json({ status: 'success', data: { version: LIKE_PROMETHEUS, application: 'Atoll' } }, 200)
}

const scrapeMesh: RouteHandler<typeof federateMetrics, AppEnv> = async (c) => {
  const asked = await openAsked(c, c.req.valid('param').mesh)
  const { body, refusal } = await answer(async () => selectorsOf(c.req.valid('query')))
  if (refusal) throw new AtollError('invalid_request', refusal.error)
  return c.body(federate(asked, body), 200, { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' })
}

export const addPrometheusRoutes = (app: App): void => {
  app.openapi(getPrometheusQuery, queryAtOneTime)
  app.openapi(postPrometheusQuery, postQueryAtOneTime)
  app.openapi(getPrometheusQueryRange, queryOverTime)
  app.openapi(postPrometheusQueryRange, postQueryOverTime)
  app.openapi(getPrometheusSeries, listSeries)
  app.openapi(postPrometheusSeries, postListSeries)
  app.openapi(getPrometheusLabels, listLabels)
  app.openapi(postPrometheusLabels, postListLabels)
  app.openapi(getPrometheusLabelValues, listLabelValues)
  app.openapi(getPrometheusMetadata, listMetadata)
  app.openapi(getPrometheusBuildInfo, showBuildInfo)
  app.openapi(federateMetrics, scrapeMesh)
}
