import type { RouteHandler } from '@hono/zod-openapi'
import {
  confirmHold,
  createJoinToken,
  evictCluster,
  getCluster,
  listClusters,
  listJoinTokens,
  revokeJoinToken,
} from '#api/routes/clusters.ts'
import type { App, AppEnv } from '../app-env.ts'
import { openMesh, toInitiator } from '../open-mesh.ts'
import { firstPlace, newestPlace, parseCursor, toPage } from '../page.ts'
import { found, unwrap } from '../problems.ts'
import { randomBytes } from '../random-bytes.ts'
import { newToken } from '../secret-token.ts'

const listMeshClusters: RouteHandler<typeof listClusters, AppEnv> = async (c) => {
  const { store } = await openMesh(c, c.req.valid('param').mesh)
  const { limit, cursor } = c.req.valid('query')
  const [after] = parseCursor(cursor, firstPlace)
  return c.json(
    toPage(await store.listClusters(after, limit + 1), limit, (last) => [last.name]),
    200,
  )
}

const showCluster: RouteHandler<typeof getCluster, AppEnv> = async (c) => {
  const { mesh, cluster } = c.req.valid('param')
  const { store } = await openMesh(c, mesh, { cluster })
  return c.json(found(await store.findCluster(cluster), `cluster ${cluster}`), 200)
}

const evict: RouteHandler<typeof evictCluster, AppEnv> = async (c) => {
  const { mesh, cluster } = c.req.valid('param')
  const { store } = await openMesh(c, mesh, { cluster })
  unwrap(await store.evictCluster(cluster, toInitiator(c)))
  return c.body(null, 204)
}

const confirm: RouteHandler<typeof confirmHold, AppEnv> = async (c) => {
  const { mesh, cluster } = c.req.valid('param')
  const { store } = await openMesh(c, mesh, { cluster })
  unwrap(await store.confirmHold(cluster, c.req.valid('json').hold, toInitiator(c)))
  return c.body(null, 204)
}

const listMeshJoinTokens: RouteHandler<typeof listJoinTokens, AppEnv> = async (c) => {
  const { store } = await openMesh(c, c.req.valid('param').mesh)
  const { limit, cursor } = c.req.valid('query')
  const [createdAt, id] = parseCursor(cursor, newestPlace)
  return c.json(
    toPage(await store.listJoinTokens({ createdAt, id }, limit + 1), limit, (last) => [
      Date.parse(last.createdAt),
      last.id,
    ]),
    200,
  )
}

const makeJoinToken: RouteHandler<typeof createJoinToken, AppEnv> = async (c) => {
  const body = c.req.valid('json')
  const mesh = await openMesh(c, c.req.valid('param').mesh, { cluster: body.cluster })
  const { id, text, secretHash } = await newToken('join', randomBytes, mesh.id)
  const created = unwrap(await mesh.store.createJoinToken({ ...body, id, secretHash }, toInitiator(c)))
  return c.json({ ...created, secret: text }, 201)
}

const endJoinToken: RouteHandler<typeof revokeJoinToken, AppEnv> = async (c) => {
  const { mesh, id } = c.req.valid('param')
  const { store } = await openMesh(c, mesh)
  unwrap(await store.revokeJoinToken(id, toInitiator(c)))
  return c.body(null, 204)
}

export const addClusterRoutes = (app: App): void => {
  app.openapi(listClusters, listMeshClusters)
  app.openapi(getCluster, showCluster)
  app.openapi(evictCluster, evict)
  app.openapi(confirmHold, confirm)
  app.openapi(listJoinTokens, listMeshJoinTokens)
  app.openapi(createJoinToken, makeJoinToken)
  app.openapi(revokeJoinToken, endJoinToken)
}
