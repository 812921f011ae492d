import type { RouteHandler } from '@hono/zod-openapi'
import { AtollError } from '#api/atoll-error.ts'
import { createMesh, deleteMesh, getMesh, listMeshes, updateMesh } from '#api/routes/meshes.ts'
import type { Mesh } from '#api/schemas/meshes.ts'
import { trustDomain } from '#mesh/names.ts'
import { hasErrors, type Problem } from '#mesh/problem.ts'
import { examineMeshConfig } from '#mesh/config/examine-mesh-config.ts'
import { withChangedFields } from '#mesh/config/mesh-config.ts'
import { withoutCredentials } from '#mesh/config/without-credentials.ts'
import { meshSettings, type MeshSettings } from '#mesh/settings.ts'
import type { App, AppContext, AppEnv } from '../app-env.ts'
import * as directory from '../directory/meshes.ts'
import { openMeshStore } from '../mesh/mesh-store.ts'
import type { MeshFacts } from '../mesh/mesh-store.ts'
import { confineFilter, mayCall, openMesh, openOrg, toInitiator, toOrgEvent } from '../open-mesh.ts'
import { firstPlace, parseCursor, toPage } from '../page.ts'
import { found, unwrap } from '../problems.ts'
import { randomBytes } from '../random-bytes.ts'
import { newId } from '../secret-token.ts'

const toMesh = (id: string, { settings, revision, clusters, createdAtMs }: MeshFacts): Mesh => ({
  id,
  name: settings.meshName,
  settings,
  revision,
  clusters,
  createdAt: new Date(createdAtMs).toISOString(),
})

/** Who can't change the settings is shown no credentials of theirs. */
const toShown = (c: AppContext, mesh: Mesh): Mesh =>
  mayCall(c, 'updateMesh')
    ? mesh
    : { ...mesh, settings: { ...mesh.settings, meshConfig: withoutCredentials(mesh.settings.meshConfig) } }

const listOrgMeshes: RouteHandler<typeof listMeshes, AppEnv> = async (c) => {
  const { limit, cursor } = c.req.valid('query')
  const { orgId, token } = c.get('caller')
  const [after] = parseCursor(cursor, firstPlace)
  const meshes = await directory.listMeshes(c.env.DB, orgId, token.scopes.mesh, after, limit + 1)
  return c.json(
    toPage(
      meshes.map((mesh) => toShown(c, mesh)),
      limit,
      (last) => [last.name],
    ),
    200,
  )
}

/** Warnings about Istio's settings for a mesh. Throws when they are not what they may be. */
const examineSettings = ({ meshConfig, meshName: name, trustDomain: domain }: MeshSettings): readonly Problem[] => {
  const problems = examineMeshConfig(meshConfig, { name, trustDomain: domain })
  if (hasErrors(problems))
    throw new AtollError('invalid_configuration', 'the settings have errors; nothing was changed', { problems })
  return problems
}

/** The name is entered in the directory first: who has it owns it. A creation that was cut off after that is taken up again. */
const makeMesh: RouteHandler<typeof createMesh, AppEnv> = async (c) => {
  const orgId = openOrg(c)
  const { name, trustDomain: domain, ...changes } = c.req.valid('json')
  if ((await directory.countMeshes(c.env.DB, orgId)) >= directory.MAX_MESHES) {
    throw new AtollError('limit_reached', `an org may have ${directory.MAX_MESHES} meshes`, {
      limit: { name: 'meshes' },
    })
  }
  const meshId = newId(randomBytes)
  const settings = meshSettings.parse({
    ...changes,
    meshId,
    meshName: name,
    trustDomain: domain ?? trustDomain.parse(`${name}.atoll.internal`),
  })
  const problems = examineSettings(settings)
  const entered = found(
    await directory.enterMesh(c.env.DB, orgId, { id: meshId, settings, createdAtMs: Date.now() }),
    'mesh',
  )
  const store = openMeshStore(c.env, entered.id)
  const mesh = { orgId, meshId: entered.id, settings: { ...settings, meshId: entered.id } }
  const created = toMesh(entered.id, unwrap(await store.create(mesh, toInitiator(c))))
  return c.json({ ...created, problems: [...problems] }, 201)
}

const showMesh: RouteHandler<typeof getMesh, AppEnv> = async (c) => {
  const mesh = await openMesh(c, c.req.valid('param').mesh, confineFilter(c, {}))
  return c.json(toShown(c, toMesh(mesh.id, await mesh.store.facts())), 200)
}

const changeMesh: RouteHandler<typeof updateMesh, AppEnv> = async (c) => {
  const mesh = await openMesh(c, c.req.valid('param').mesh)
  const changes = c.req.valid('json')
  const { settings } = await mesh.store.facts()
  const meshConfig = withChangedFields(settings.meshConfig, changes.meshConfig)
  const problems = examineSettings({ ...settings, meshConfig })
  const changed = toMesh(mesh.id, unwrap(await mesh.store.updateSettings(changes, toInitiator(c))))
  return c.json({ ...changed, problems: [...problems] }, 200)
}

const removeMesh: RouteHandler<typeof deleteMesh, AppEnv> = async (c) => {
  const mesh = await openMesh(c, c.req.valid('param').mesh)
  const head = unwrap(await mesh.store.destroy())
  // The mesh's own log is gone with it: where it ended tells whether an export of it is whole.
  const detail = { meshId: mesh.id, ...(head && { auditEvents: head.sequence, auditHash: head.hash }) }
  const event = toOrgEvent(c, { action: 'mesh.delete', target: mesh.name, detail })
  await directory.removeMesh(c.env.DB, mesh.orgId, mesh, event)
  return c.body(null, 204)
}

export const addMeshRoutes = (app: App): void => {
  app.openapi(listMeshes, listOrgMeshes)
  app.openapi(createMesh, makeMesh)
  app.openapi(getMesh, showMesh)
  app.openapi(updateMesh, changeMesh)
  app.openapi(deleteMesh, removeMesh)
}
