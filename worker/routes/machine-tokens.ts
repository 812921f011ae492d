import type { RouteHandler } from '@hono/zod-openapi'
import { createMachineToken, listMachineTokens, revokeMachineToken } from '#api/routes/machine-tokens.ts'
import type { App, AppEnv } from '../app-env.ts'
import { openMesh, toInitiator } from '../open-mesh.ts'
import { newestPlace, parseCursor, toPage } from '../page.ts'
import { unwrap } from '../problems.ts'
import { randomBytes } from '../random-bytes.ts'
import { newToken } from '../secret-token.ts'

const listClusterTokens: RouteHandler<typeof listMachineTokens, AppEnv> = async (c) => {
  const { mesh, cluster } = c.req.valid('param')
  const { store } = await openMesh(c, mesh, { cluster })
  const { limit, cursor } = c.req.valid('query')
  const [createdAt, id] = parseCursor(cursor, newestPlace)
  const tokens = unwrap(await store.listMachineTokens(cluster, { createdAt, id }, limit + 1))
  return c.json(
    toPage(tokens, limit, (last) => [Date.parse(last.createdAt), last.id]),
    200,
  )
}

const makeMachineToken: RouteHandler<typeof createMachineToken, AppEnv> = async (c) => {
  const { mesh, cluster } = c.req.valid('param')
  const { store } = await openMesh(c, mesh, { cluster })
  const { id, text, secretHash } = await newToken('machine', randomBytes)
  const created = unwrap(
    await store.createMachineToken(cluster, { ...c.req.valid('json'), id, secretHash }, toInitiator(c)),
  )
  return c.json({ ...created, secret: text }, 201)
}

const endMachineToken: RouteHandler<typeof revokeMachineToken, AppEnv> = async (c) => {
  const { mesh, cluster, id } = c.req.valid('param')
  const { store } = await openMesh(c, mesh, { cluster })
  unwrap(await store.revokeMachineToken(cluster, id, toInitiator(c)))
  return c.body(null, 204)
}

export const addMachineTokenRoutes = (app: App): void => {
  app.openapi(listMachineTokens, listClusterTokens)
  app.openapi(createMachineToken, makeMachineToken)
  app.openapi(revokeMachineToken, endMachineToken)
}
