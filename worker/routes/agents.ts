import type { RouteHandler } from '@hono/zod-openapi'
import { AtollError } from '#api/atoll-error.ts'
import { join, uplink } from '#api/routes/agents.ts'
import type { App, AppEnv } from '../app-env.ts'
import { isMeshId } from '../directory/meshes.ts'
import { MESH_ID_CHARS } from '../mesh/join-tokens.ts'
import { refusedToken } from '../mesh/join.ts'
import { openMeshStore } from '../mesh/mesh-store.ts'
import { toOrigin } from '../open-mesh.ts'
import { unwrap } from '../problems.ts'
import { parseToken } from '../secret-token.ts'

/** A join token's id begins with the id of its mesh: that finds the mesh, and the mesh decides. */
const joinMesh: RouteHandler<typeof join, AppEnv> = async (c) => {
  const request = c.req.valid('json')
  const meshId = parseToken('join', request.token)?.id.slice(0, MESH_ID_CHARS) ?? ''
  if (!(await isMeshId(c.env.DB, meshId))) return unwrap<never>(refusedToken)
  return c.json(unwrap(await openMeshStore(c.env, meshId).join(request, toOrigin(c))), 201)
}

const openUplink: RouteHandler<typeof uplink, AppEnv> = async (c) => {
  const { meshId } = c.req.valid('param')
  if (!(await isMeshId(c.env.DB, meshId))) throw new AtollError('not_found', 'there is no such mesh')
  if (c.req.header('Upgrade')?.toLowerCase() !== 'websocket')
    throw new AtollError('invalid_request', 'the uplink is a WebSocket')
  const { webSocket } = await openMeshStore(c.env, meshId).fetch(c.req.raw)
  if (!webSocket) throw new AtollError('unavailable', 'the mesh takes no more agents now')
  // A response of another service has headers that can't be added to.
  return new Response(null, { status: 101, webSocket })
}

export const addAgentRoutes = (app: App): void => {
  app.openapi(join, joinMesh)
  app.openapi(uplink, openUplink)
}
