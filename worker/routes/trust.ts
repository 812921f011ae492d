import type { RouteHandler } from '@hono/zod-openapi'
import {
  addIssuer,
  continueRotation,
  createRootRequest,
  getRootRequest,
  getRotation,
  getTrust,
  listCertificates,
  pauseRotation,
  removeIssuer,
  removeRootRequest,
  resumeRotation,
  rollBackRotation,
  startRotation,
} from '#api/routes/trust.ts'
import type { App, AppEnv } from '../app-env.ts'
import { confineFilter, openMesh, toInitiator } from '../open-mesh.ts'
import { highestPlace, parseCursor, toPage } from '../page.ts'
import { found, unwrap } from '../problems.ts'

const showTrust: RouteHandler<typeof getTrust, AppEnv> = async (c) => {
  const { store } = await openMesh(c, c.req.valid('param').mesh)
  return c.json(await store.readTrust(), 200)
}

const listMeshCertificates: RouteHandler<typeof listCertificates, AppEnv> = async (c) => {
  const { limit, cursor, ...query } = c.req.valid('query')
  const { cluster } = confineFilter(c, query)
  const { store } = await openMesh(c, c.req.valid('param').mesh, { cluster })
  const [before] = parseCursor(cursor, highestPlace)
  const listed = await store.listCertificates(cluster ?? null, before, limit + 1)
  const page = toPage(listed, limit, (last) => [last.number])
  return c.json({ ...page, items: page.items.map(({ certificate }) => certificate) }, 200)
}

const addMeshIssuer: RouteHandler<typeof addIssuer, AppEnv> = async (c) => {
  const { store } = await openMesh(c, c.req.valid('param').mesh)
  return c.json(unwrap(await store.addIssuer(c.req.valid('json'), toInitiator(c))), 201)
}

const endIssuer: RouteHandler<typeof removeIssuer, AppEnv> = async (c) => {
  const { mesh, issuer } = c.req.valid('param')
  const { store } = await openMesh(c, mesh)
  unwrap(await store.removeIssuer(issuer, toInitiator(c)))
  return c.body(null, 204)
}

const showRotation: RouteHandler<typeof getRotation, AppEnv> = async (c) => {
  const { store } = await openMesh(c, c.req.valid('param').mesh)
  return c.json(found(await store.readRotation(), 'rotation of the root, and has not been one'), 200)
}

const beginRotation: RouteHandler<typeof startRotation, AppEnv> = async (c) => {
  const { store } = await openMesh(c, c.req.valid('param').mesh)
  return c.json(unwrap(await store.startRotation(c.req.valid('json'), toInitiator(c))), 200)
}

const requestRoot: RouteHandler<typeof createRootRequest, AppEnv> = async (c) => {
  const { store } = await openMesh(c, c.req.valid('param').mesh)
  return c.json(unwrap(await store.createRootRequest(toInitiator(c))), 200)
}

const showRootRequest: RouteHandler<typeof getRootRequest, AppEnv> = async (c) => {
  const { store } = await openMesh(c, c.req.valid('param').mesh)
  return c.json(found((await store.readTrust()).rootRequest, 'request for a root that waits'), 200)
}

const dropRootRequest: RouteHandler<typeof removeRootRequest, AppEnv> = async (c) => {
  const { store } = await openMesh(c, c.req.valid('param').mesh)
  unwrap(await store.removeRootRequest(toInitiator(c)))
  return c.body(null, 204)
}

const holdRotation: RouteHandler<typeof pauseRotation, AppEnv> = async (c) => {
  const { store } = await openMesh(c, c.req.valid('param').mesh)
  return c.json(unwrap(await store.pauseRotation(true, toInitiator(c))), 200)
}

const goOnWithRotation: RouteHandler<typeof resumeRotation, AppEnv> = async (c) => {
  const { store } = await openMesh(c, c.req.valid('param').mesh)
  return c.json(unwrap(await store.pauseRotation(false, toInitiator(c))), 200)
}

const takeRotationBack: RouteHandler<typeof rollBackRotation, AppEnv> = async (c) => {
  const { store } = await openMesh(c, c.req.valid('param').mesh)
  return c.json(unwrap(await store.rollBackRotation(toInitiator(c))), 200)
}

const leaveBehind: RouteHandler<typeof continueRotation, AppEnv> = async (c) => {
  const { store } = await openMesh(c, c.req.valid('param').mesh)
  return c.json(unwrap(await store.continueRotation(c.req.valid('json').without, toInitiator(c))), 200)
}

export const addTrustRoutes = (app: App): void => {
  app.openapi(getTrust, showTrust)
  app.openapi(listCertificates, listMeshCertificates)
  app.openapi(addIssuer, addMeshIssuer)
  app.openapi(removeIssuer, endIssuer)
  app.openapi(getRotation, showRotation)
  app.openapi(createRootRequest, requestRoot)
  app.openapi(getRootRequest, showRootRequest)
  app.openapi(removeRootRequest, dropRootRequest)
  app.openapi(startRotation, beginRotation)
  app.openapi(pauseRotation, holdRotation)
  app.openapi(resumeRotation, goOnWithRotation)
  app.openapi(rollBackRotation, takeRotationBack)
  app.openapi(continueRotation, leaveBehind)
}
