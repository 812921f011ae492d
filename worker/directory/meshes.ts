import { and, count, eq, exists, gt } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import type { Mesh } from '#api/schemas/meshes.ts'
import { readStoredSettings } from '#mesh/settings.ts'
import type { MeshSettings } from '#mesh/settings.ts'
import { writeWithEvent } from './org-audit.ts'
import type { OrgEvent } from './org-audit.ts'
import { members, meshes, tokens } from './schema.ts'

/** Of one org. */
export const MAX_MESHES = 100

type MeshRow = typeof meshes.$inferSelect

const toMesh = ({ id, name, settings, revision, clusters, createdAt }: MeshRow): Mesh => ({
  id,
  name: name as Mesh['name'],
  settings: readStoredSettings(settings),
  revision,
  clusters,
  createdAt: new Date(createdAt).toISOString(),
})

/** The directory's copy of an org's meshes, by name, those after `after`. `only`: of this name. */
export const listMeshes = async (
  db: D1Database,
  orgId: string,
  only: string | undefined,
  after: string,
  limit: number,
): Promise<Mesh[]> => {
  const isNamed = only === undefined ? undefined : eq(meshes.name, only)
  const rows = await drizzle(db)
    .select()
    .from(meshes)
    .where(and(eq(meshes.orgId, orgId), gt(meshes.name, after), isNamed))
    .orderBy(meshes.name)
    .limit(limit)
  return rows.map(toMesh)
}

export const findMesh = async (db: D1Database, orgId: string, name: string): Promise<Mesh | undefined> => {
  const [row] = await drizzle(db)
    .select()
    .from(meshes)
    .where(and(eq(meshes.orgId, orgId), eq(meshes.name, name)))
  return row && toMesh(row)
}

/** Whether there is such a mesh in any org: for agents, whose proof is in the mesh itself. */
export const isMeshId = async (db: D1Database, id: string): Promise<boolean> => {
  const rows = await drizzle(db).select({ id: meshes.id }).from(meshes).where(eq(meshes.id, id))
  return rows.length > 0
}

/** Of all meshes of an org, half made and half deleted ones too. */
export const listMeshNames = async (db: D1Database, orgId: string): Promise<string[]> => {
  const rows = await drizzle(db)
    .select({ name: meshes.name })
    .from(meshes)
    .where(eq(meshes.orgId, orgId))
    .orderBy(meshes.name)
  return rows.map(({ name }) => name)
}

export const countMeshes = async (db: D1Database, orgId: string): Promise<number> => {
  const [row] = await drizzle(db).select({ meshes: count() }).from(meshes).where(eq(meshes.orgId, orgId))
  return row?.meshes ?? 0
}

/** Enters a mesh under its name, unless the name is taken. Answers the mesh that has the name now. */
export const enterMesh = async (
  db: D1Database,
  orgId: string,
  mesh: { readonly id: string; readonly settings: MeshSettings; readonly createdAtMs: number },
): Promise<Mesh | undefined> => {
  await drizzle(db)
    .insert(meshes)
    .values({
      id: mesh.id,
      orgId,
      name: mesh.settings.meshName,
      settings: JSON.stringify(mesh.settings),
      revision: 0,
      clusters: 0,
      createdAt: mesh.createdAtMs,
    })
    .onConflictDoNothing()
  return findMesh(db, orgId, mesh.settings.meshName)
}

/** Takes a mesh out, with the tokens and members that are confined to it: they must not be good for another one that gets its name. */
export const removeMesh = async (
  db: D1Database,
  orgId: string,
  { id, name }: { readonly id: string; readonly name: string },
  event: OrgEvent,
): Promise<void> => {
  const database = drizzle(db)
  // A deletion that is finished late must not take the tokens of the mesh that has the name by then.
  const isThere = database
    .select({ id: meshes.id })
    .from(meshes)
    .where(and(eq(meshes.orgId, orgId), eq(meshes.id, id)))
  await writeWithEvent(db, orgId, event, (batch) => [
    batch.delete(tokens).where(and(eq(tokens.orgId, orgId), eq(tokens.scopeMesh, name), exists(isThere))),
    batch.delete(members).where(and(eq(members.orgId, orgId), eq(members.scopeMesh, name), exists(isThere))),
    batch.delete(meshes).where(and(eq(meshes.orgId, orgId), eq(meshes.id, id))),
  ])
}

/** Every org's meshes, by id, those after `after`: for the plane's own jobs, which no request reaches. */
export const listEveryMesh = (
  db: D1Database,
  after: string,
  limit: number,
): Promise<{ readonly id: string; readonly orgId: string }[]> =>
  drizzle(db)
    .select({ id: meshes.id, orgId: meshes.orgId })
    .from(meshes)
    .where(gt(meshes.id, after))
    .orderBy(meshes.id)
    .limit(limit)
