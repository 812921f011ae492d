import type { RouteHandler } from '@hono/zod-openapi'
import { listQuotas } from '#api/routes/quotas.ts'
import type { QuotaUse } from '#api/schemas/quotas.ts'
import { rateLimit } from '#mesh/config/rate-limit.ts'
import { toObjectKey } from '#mesh/config-object.ts'
import { toLimitName } from '#mesh/limits/limit-terms.ts'
import { toDay } from '#mesh/limits/day-quota.ts'
import type { App, AppEnv } from '../app-env.ts'
import { confineFilter, openMesh } from '../open-mesh.ts'
import { parseCursor, toPage } from '../page.ts'

const firstUse: readonly [limit: string, consumer: string] = ['', '']

const toRateLimitKey = (use: QuotaUse) => toObjectKey(rateLimit.kind, use.namespace, use.rateLimit)

const listMeshQuotas: RouteHandler<typeof listQuotas, AppEnv> = async (c) => {
  const { limit, cursor, namespace, day } = c.req.valid('query')
  const filter = confineFilter(c, { namespace })
  const { store } = await openMesh(c, c.req.valid('param').mesh, { namespace: filter.namespace })
  const after = parseCursor(cursor, firstUse)
  const place = { day: toDay(day === undefined ? Date.now() : Date.parse(day)), namespace: filter.namespace }
  const uses = await store.listQuotaUses(place, after, limit + 1)
  return c.json(
    toPage(uses, limit, (last) => [toLimitName(toRateLimitKey(last), last.limit), last.consumer]),
    200,
  )
}

export const addQuotaRoutes = (app: App): void => {
  app.openapi(listQuotas, listMeshQuotas)
}
