import { ok } from '#mesh/result.ts'
import { keyOf } from '#mesh/settings.ts'
import type { MeshSettings } from '#mesh/settings.ts'
import type { OrgKek } from '../ca/sealed-key.ts'
import { newId } from '../secret-token.ts'
import { writeAudit } from './audit.ts'
import type { Initiator } from './audit.ts'
import { firstRow } from './context.ts'
import type { MeshContext } from './context.ts'
import { findMeshRow, insertMeshRow } from './mesh-row.ts'
import { announce } from './outbox.ts'
import { refuse } from './refusal.ts'
import type { Outcome } from './refusal.ts'
import { writeSettings } from './settings.ts'
import { commitRoot, prepareRoot } from './trust.ts'

export interface NewMesh {
  readonly orgId: string
  readonly meshId: string
  readonly settings: MeshSettings
}

/** Makes a mesh with its root of trust. Refused, and nothing changed, when there is one already, or was one in this place. */
export const createMesh = async (
  context: MeshContext,
  kek: OrgKek,
  { orgId, meshId, settings }: NewMesh,
  generation: string,
  initiator: Initiator,
): Promise<Outcome<null>> => {
  const { sql, now, random, transaction } = context
  const { meshName: name, trustDomain } = settings
  const before = findObstacle(sql, name)
  if (before) return before
  const root = await prepareRoot({ orgId, meshId, name, trustDomain }, kek, context, keyOf(settings, 'root'))
  return transaction(() => {
    const meanwhile = findObstacle(sql, name)
    if (meanwhile) return meanwhile
    const epoch = newId(random)
    const counters = { sequence: 0, horizon: 0, revision: 0, trustEpoch: 0 }
    const times = { createdAt: now(), epochStartedAt: now(), tickedAt: now() }
    insertMeshRow(sql, { orgId, meshId, settings, generation, epoch, ...counters, ...times })
    writeSettings(sql, settings)
    // Of two that were begun at the same time the directory may have the other one's settings.
    announce(context, 'mesh')
    commitRoot(context, root, true, initiator)
    writeAudit(context, initiator, { action: 'mesh.create', target: name, detail: { meshId, trustDomain } })
    return ok(null)
  })
}

/** The directory may name a mesh for a moment longer than it is there: what is made in its place now would be lost. */
const findObstacle = (sql: SqlStorage, name: string): Outcome<never> | undefined => {
  if (findMeshRow(sql)) return refuse('already_exists', `there is a mesh ${name} already`)
  const destroyed = firstRow(sql.exec('SELECT at FROM destroyed LIMIT 1'))
  return destroyed && refuse('conflict', `the mesh ${name} is being deleted: delete it again if that was cut off`)
}

/** After everything else of a mesh is gone. */
export const markDestroyed = ({ sql, now }: MeshContext): void => {
  sql.exec('INSERT INTO destroyed (at) VALUES (?)', now())
}
