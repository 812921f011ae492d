import type { RouteHandler } from '@hono/zod-openapi'
import { getTrust, listCertificates } from '#api/routes/trust.ts'
import type { App, AppEnv } from '../app-env.ts'
import { openMesh } from '../open-mesh.ts'
import { highestPlace, parseCursor, toPage } from '../page.ts'

const showTrust: RouteHandler<typeof getTrust, AppEnv> = async (c) => {
  const { store } = await openMesh(c, c.req.valid('param').mesh, 'read')
  return c.json(await store.readTrust(), 200)
}

const listMeshCertificates: RouteHandler<typeof listCertificates, AppEnv> = async (c) => {
  const { limit, cursor, cluster } = c.req.valid('query')
  const { store } = await openMesh(c, c.req.valid('param').mesh, 'read', cluster)
  const [before] = parseCursor(cursor, highestPlace)
  const listed = await store.listCertificates(cluster ?? null, before, limit + 1)
  const page = toPage(listed, limit, (last) => [last.number])
  return c.json({ ...page, items: page.items.map(({ certificate }) => certificate) }, 200)
}

export const addTrustRoutes = (app: App): void => {
  app.openapi(getTrust, showTrust)
  app.openapi(listCertificates, listMeshCertificates)
}
