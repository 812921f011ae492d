import type { RouteHandler } from '@hono/zod-openapi'
import { addIssuer, getTrust, listCertificates, removeIssuer } from '#api/routes/trust.ts'
import type { App, AppEnv } from '../app-env.ts'
import { openMesh, toInitiator } from '../open-mesh.ts'
import { highestPlace, parseCursor, toPage } from '../page.ts'
import { unwrap } from '../problems.ts'

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

const addMeshIssuer: RouteHandler<typeof addIssuer, AppEnv> = async (c) => {
  const { store } = await openMesh(c, c.req.valid('param').mesh, 'write')
  return c.json(unwrap(await store.addIssuer(c.req.valid('json'), toInitiator(c))), 201)
}

const endIssuer: RouteHandler<typeof removeIssuer, AppEnv> = async (c) => {
  const { mesh, issuer } = c.req.valid('param')
  const { store } = await openMesh(c, mesh, 'write')
  unwrap(await store.removeIssuer(issuer, toInitiator(c)))
  return c.body(null, 204)
}

export const addTrustRoutes = (app: App): void => {
  app.openapi(getTrust, showTrust)
  app.openapi(listCertificates, listMeshCertificates)
  app.openapi(addIssuer, addMeshIssuer)
  app.openapi(removeIssuer, endIssuer)
}
