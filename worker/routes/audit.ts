import type { RouteHandler } from '@hono/zod-openapi'
import { listAudit } from '#api/routes/audit.ts'
import type { App, AppEnv } from '../app-env.ts'
import { openMesh } from '../open-mesh.ts'
import { highestPlace, parseCursor, toPage } from '../page.ts'

const toMs = (timestamp: string | undefined): number | undefined =>
  timestamp === undefined ? undefined : Date.parse(timestamp)

const listMeshAudit: RouteHandler<typeof listAudit, AppEnv> = async (c) => {
  const { limit, cursor, action, actor, cluster, since, until } = c.req.valid('query')
  const { store } = await openMesh(c, c.req.valid('param').mesh, 'read', cluster)
  const [before] = parseCursor(cursor, highestPlace)
  const filter = { action, actor, cluster, sinceMs: toMs(since), untilMs: toMs(until) }
  return c.json(
    toPage(await store.listAudit(filter, before, limit + 1), limit, (last) => [Number(last.id)]),
    200,
  )
}

export const addAuditRoutes = (app: App): void => {
  app.openapi(listAudit, listMeshAudit)
}
