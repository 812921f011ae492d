import type { RouteHandler } from '@hono/zod-openapi'
import { streamSSE } from 'hono/streaming'
import { getTrace, listLogs, listTraces, tailLogs } from '#api/routes/telemetry.ts'
import type { App, AppContext, AppEnv } from '../app-env.ts'
import type { ClusterName } from '#mesh/names.ts'
import { listClusterNames } from '../cluster-names.ts'
import { hasSamePower } from '../middleware/authenticate.ts'
import { confineFilter, openMesh } from '../open-mesh.ts'
import type { Subject } from '../open-mesh.ts'
import { parseCursor, toCursor } from '../page.ts'
import { found } from '../problems.ts'
import { toLogConditions, toSpanConditions, toSpanRecordConditions } from '../telemetry/search/log-conditions.ts'
import { lookUpTrace } from '../telemetry/search/look-up-trace.ts'
import { firstMeshPlace, searchClusters } from '../telemetry/search/search-clusters.ts'
import type { MeshQuery } from '../telemetry/search/search-clusters.ts'
import { parseTimeUs, toAccessLog } from '../telemetry/search/show-record.ts'
import { searchTraces } from '../telemetry/search/search-traces.ts'
import { followLogs } from '../telemetry/search/follow-logs.ts'
import { parseTailCursor } from '../telemetry/search/tail-cursor.ts'
import { openTelemetryStore } from '../telemetry/telemetry-store.ts'
import type { ClusterTelemetry } from '../telemetry/telemetry-store.ts'

interface Searched {
  readonly mesh: { readonly orgId: string; readonly meshId: string }
  readonly clusters: readonly ClusterName[]
}

/** The clusters that a search is about: the one that is named, or all of the mesh. */
export const openClusters = async (c: AppContext, name: string, subject: Subject = {}): Promise<Searched> => {
  const { id: meshId, orgId, store } = await openMesh(c, name, subject)
  const { cluster } = subject
  if (cluster === undefined) return { mesh: { orgId, meshId }, clusters: await listClusterNames(store) }
  found(await store.findCluster(cluster), `cluster ${cluster}`)
  return { mesh: { orgId, meshId }, clusters: [cluster] }
}

const toOpen =
  (c: AppContext, mesh: Searched['mesh']) =>
  (cluster: ClusterName): ClusterTelemetry =>
    openTelemetryStore(c.env, { ...mesh, cluster })

const toPeriod = ({ from, to }: { from?: string | undefined; to?: string | undefined }) => ({
  fromUs: from === undefined ? 0 : parseTimeUs(from),
  toUs: to === undefined ? Number.MAX_SAFE_INTEGER : parseTimeUs(to),
})

const toNextCursor = (next: MeshQuery['after'] | null): string | null => next && toCursor(next)

const searchLogs: RouteHandler<typeof listLogs, AppEnv> = async (c) => {
  const { limit, cursor, from, to, ...query } = c.req.valid('query')
  const filters = { ...query, ...confineFilter(c, query) }
  const after = parseCursor(cursor, firstMeshPlace)
  const { mesh, clusters } = await openClusters(c, c.req.valid('param').mesh, filters)
  const search: MeshQuery = {
    signal: 'logs',
    ...toPeriod({ from, to }),
    conditions: toLogConditions(filters),
    after,
    limit,
  }
  const page = await searchClusters(c.env, mesh, clusters, search)
  return c.json(
    {
      items: page.found.map(({ record }) => toAccessLog(record)),
      nextCursor: toNextCursor(page.next),
      unavailable: page.unavailable,
    },
    200,
  )
}

const followMeshLogs: RouteHandler<typeof tailLogs, AppEnv> = async (c) => {
  const { cursor, ...query } = c.req.valid('query')
  const filters = { ...query, ...confineFilter(c, query) }
  const from = parseTailCursor(cursor)
  const { mesh, clusters } = await openClusters(c, c.req.valid('param').mesh, filters)
  const open = toOpen(c, mesh)
  const { token } = c.get('caller')
  return streamSSE(c, (stream) => {
    const reader = {
      writeSSE: stream.writeSSE.bind(stream),
      onAbort: stream.onAbort.bind(stream),
      mayGoOn: () => hasSamePower(c.env.DB, token),
    }
    return followLogs(open, clusters, toLogConditions(filters), from, reader)
  })
}

const findTraces: RouteHandler<typeof listTraces, AppEnv> = async (c) => {
  const { limit, cursor, from, to, cluster, ...filters } = c.req.valid('query')
  const after = parseCursor(cursor, firstMeshPlace)
  const { mesh, clusters } = await openClusters(c, c.req.valid('param').mesh, confineFilter(c, { cluster }))
  const query = { ...toPeriod({ from, to }), after, limit }
  const conditions = { logs: toSpanRecordConditions(filters), traces: toSpanConditions(filters) }
  const { items, next, unavailable } = await searchTraces(c.env, mesh, clusters, query, conditions)
  return c.json({ items, nextCursor: toNextCursor(next), unavailable }, 200)
}

const showTrace: RouteHandler<typeof getTrace, AppEnv> = async (c) => {
  const { mesh: name, traceId } = c.req.valid('param')
  const { mesh, clusters } = await openClusters(c, name)
  return c.json(await lookUpTrace(toOpen(c, mesh), clusters, { traceId, ...toPeriod(c.req.valid('query')) }), 200)
}

export const addTelemetryRoutes = (app: App): void => {
  app.openapi(listLogs, searchLogs)
  app.openapi(tailLogs, followMeshLogs)
  app.openapi(listTraces, findTraces)
  app.openapi(getTrace, showTrace)
}
