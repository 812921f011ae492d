import type { RouteHandler } from '@hono/zod-openapi'
import { getService, listServices } from '#api/routes/services.ts'
import { toServiceKey } from '#mesh/names.ts'
import type { App, AppEnv } from '../app-env.ts'
import { confineFilter, openMesh } from '../open-mesh.ts'
import { firstPlace, parseCursor, toPage } from '../page.ts'
import { found } from '../problems.ts'

const listMeshServices: RouteHandler<typeof listServices, AppEnv> = async (c) => {
  const { limit, cursor, ...query } = c.req.valid('query')
  const filter = confineFilter(c, query)
  const { store } = await openMesh(c, c.req.valid('param').mesh, filter)
  const [after] = parseCursor(cursor, firstPlace)
  const services = await store.listServices(filter, after, limit + 1)
  return c.json(
    toPage(services, limit, (last) => [last.key]),
    200,
  )
}

const showService: RouteHandler<typeof getService, AppEnv> = async (c) => {
  const { mesh, namespace, hostname } = c.req.valid('param')
  const { store } = await openMesh(c, mesh, { namespace })
  const key = toServiceKey(namespace, hostname)
  return c.json(found(await store.findService(key), `service ${key}`), 200)
}

export const addServiceRoutes = (app: App): void => {
  app.openapi(listServices, listMeshServices)
  app.openapi(getService, showService)
}
