import type { RouteHandler } from '@hono/zod-openapi'
import { createPublishGrant, listPublishGrants, revokePublishGrant } from '#api/routes/publish-grants.ts'
import { AtollError } from '#api/atoll-error.ts'
import { findKindByName, toUnknownKind } from '#mesh/config/kind-table.ts'
import { isPublishableKind } from '#mesh/publishing/published-object.ts'
import type { App, AppEnv } from '../app-env.ts'
import { openMesh, toInitiator } from '../open-mesh.ts'
import { newestPlace, parseCursor, toPage } from '../page.ts'
import { unwrap } from '../problems.ts'

const listGrants: RouteHandler<typeof listPublishGrants, AppEnv> = async (c) => {
  const { store } = await openMesh(c, c.req.valid('param').mesh)
  const { limit, cursor } = c.req.valid('query')
  const [createdAt, id] = parseCursor(cursor, newestPlace)
  return c.json(
    toPage(await store.listPublishGrants({ createdAt, id }, limit + 1), limit, (last) => [
      Date.parse(last.createdAt),
      last.id,
    ]),
    200,
  )
}

/** What one cluster publishes is every cluster's: a token that is confined to one can't grant it. */
const makeGrant: RouteHandler<typeof createPublishGrant, AppEnv> = async (c) => {
  const { store } = await openMesh(c, c.req.valid('param').mesh)
  const { kind, ...rest } = c.req.valid('json')
  const grant = { ...rest, kind: kind === '*' ? kind : toPublishableKind(kind) }
  return c.json(unwrap(await store.createPublishGrant(grant, toInitiator(c))), 201)
}

/** A kind as keys have it, from what people type. */
const toPublishableKind = (name: string): string => {
  const kind = findKindByName(name)?.kind
  if (kind === undefined) throw new AtollError('invalid_request', `kind: ${toUnknownKind(name).message}`)
  if (!isPublishableKind(kind))
    throw new AtollError('invalid_request', `a ${kind} says what its own cluster holds: it can't be published`)
  return kind
}

const endGrant: RouteHandler<typeof revokePublishGrant, AppEnv> = async (c) => {
  const { mesh, id } = c.req.valid('param')
  const { store } = await openMesh(c, mesh)
  unwrap(await store.revokePublishGrant(id, toInitiator(c)))
  return c.body(null, 204)
}

export const addPublishGrantRoutes = (app: App): void => {
  app.openapi(listPublishGrants, listGrants)
  app.openapi(createPublishGrant, makeGrant)
  app.openapi(revokePublishGrant, endGrant)
}
