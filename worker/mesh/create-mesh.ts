import type { MeshSettings } from '#mesh/settings.ts'
import { newId } from '../secret-token.ts'
import { writeAudit } from './audit.ts'
import type { Initiator } from './audit.ts'
import type { MeshContext } from './context.ts'
import { findMeshRow, insertMeshRow } from './mesh-row.ts'
import { writeSettings } from './settings.ts'
import { commitRoot, prepareRoot } from './trust.ts'

export interface NewMesh {
  readonly orgId: string
  readonly meshId: string
  readonly settings: MeshSettings
}

/** Makes a mesh with its root of trust. One that is there already stays as it is. */
export const createMesh = async (
  context: MeshContext,
  kek: CryptoKey,
  { orgId, meshId, settings }: NewMesh,
  generation: string,
  initiator: Initiator,
): Promise<void> => {
  const { sql, now, random, transaction } = context
  const { meshName: name, trustDomain } = settings
  const root = await prepareRoot({ orgId, meshId, name, trustDomain }, kek, context)
  transaction(() => {
    if (findMeshRow(sql)) return
    const epoch = newId(random)
    const counters = { sequence: 0, horizon: 0, revision: 0, trustEpoch: 0 }
    const times = { createdAt: now(), epochStartedAt: now(), tickedAt: now() }
    insertMeshRow(sql, { orgId, meshId, settings, generation, epoch, ...counters, ...times })
    writeSettings(sql, settings)
    commitRoot(context, root, true, initiator)
    writeAudit(context, initiator, { action: 'mesh.create', target: name })
  })
}
