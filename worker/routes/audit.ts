import type { RouteHandler } from '@hono/zod-openapi'
import { listAudit, listOrgAudit } from '#api/routes/audit.ts'
import type { App, AppEnv } from '../app-env.ts'
import * as directory from '../directory/org-audit.ts'
import { openMesh, openOrg } from '../open-mesh.ts'
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

const listEventsOfOrg: RouteHandler<typeof listOrgAudit, AppEnv> = async (c) => {
  const { limit, cursor } = c.req.valid('query')
  const [before] = parseCursor(cursor, highestPlace)
  const events = await directory.listOrgAudit(c.env.DB, openOrg(c, 'read'), before, limit + 1)
  return c.json(
    toPage(events, limit, (last) => [Number(last.id)]),
    200,
  )
}

export const addAuditRoutes = (app: App): void => {
  app.openapi(listAudit, listMeshAudit)
  app.openapi(listOrgAudit, listEventsOfOrg)
}
