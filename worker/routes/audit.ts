import type { RouteHandler } from '@hono/zod-openapi'
import { getAuditChain, getOrgAuditChain, listAudit, listOrgAudit } from '#api/routes/audit.ts'
import type { App, AppEnv } from '../app-env.ts'
import { reportFailedAttempts } from '../directory/failed-attempts.ts'
import * as directory from '../directory/org-audit.ts'
import type { AuditPosition } from '../mesh/audit.ts'
import { confineFilter, openMesh, openOrg } from '../open-mesh.ts'
import { highestPlace, parseCursor, toPage } from '../page.ts'

const toMs = (timestamp: string | undefined): number | undefined =>
  timestamp === undefined ? undefined : Date.parse(timestamp)

/** Where a list begins, or goes on. */
const toPosition = (order: AuditPosition['order'], cursor: string | undefined): AuditPosition => {
  const [from] = parseCursor(cursor, order === 'newest' ? highestPlace : [0])
  return { order, from }
}

const listMeshAudit: RouteHandler<typeof listAudit, AppEnv> = async (c) => {
  const { limit, cursor, order, action, actor, since, until, ...query } = c.req.valid('query')
  const { cluster } = confineFilter(c, query)
  const { store } = await openMesh(c, c.req.valid('param').mesh, { cluster })
  const filter = { action, actor, cluster, sinceMs: toMs(since), untilMs: toMs(until) }
  return c.json(
    toPage(await store.listAudit(filter, toPosition(order, cursor), limit + 1), limit, (last) => [Number(last.id)]),
    200,
  )
}

const listEventsOfOrg: RouteHandler<typeof listOrgAudit, AppEnv> = async (c) => {
  const { limit, cursor, order } = c.req.valid('query')
  const orgId = openOrg(c)
  await reportFailedAttempts(c.env.DB, orgId, Date.now())
  const events = await directory.listOrgAudit(c.env.DB, orgId, toPosition(order, cursor), limit + 1)
  return c.json(
    toPage(events, limit, (last) => [Number(last.id)]),
    200,
  )
}

const showChain: RouteHandler<typeof getAuditChain, AppEnv> = async (c) => {
  const { store } = await openMesh(c, c.req.valid('param').mesh)
  return c.json(await store.readAuditChain(), 200)
}

const showChainOfOrg: RouteHandler<typeof getOrgAuditChain, AppEnv> = async (c) =>
  c.json(await directory.readOrgAuditChain(c.env.DB, openOrg(c)), 200)

export const addAuditRoutes = (app: App): void => {
  app.openapi(listAudit, listMeshAudit)
  app.openapi(listOrgAudit, listEventsOfOrg)
  app.openapi(getAuditChain, showChain)
  app.openapi(getOrgAuditChain, showChainOfOrg)
}
