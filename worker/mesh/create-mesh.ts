import type { MeshSettings } from '#mesh/settings.ts'
import { newId } from '../secret-token.ts'
import { writeAudit } from './audit.ts'
import type { Initiator } from './audit.ts'
import type { MeshContext } from './context.ts'
import { findMeshRow, insertMeshRow } from './mesh-row.ts'
import { announce } from './outbox.ts'
import { writeSettings } from './settings.ts'
import { commitRoot, prepareRoot } from './trust.ts'

export interface NewMesh {
  readonly orgId: string
  readonly meshId: string
  readonly settings: MeshSettings
}

/** Makes a mesh with its root of trust. Answers false, and changes nothing, when there is one already. */
export const createMesh = async (
  context: MeshContext,
  kek: CryptoKey,
  { orgId, meshId, settings }: NewMesh,
  generation: string,
  initiator: Initiator,
): Promise<boolean> => {
  const { sql, now, random, transaction } = context
  const { meshName: name, trustDomain } = settings
  if (findMeshRow(sql)) return false
  const root = await prepareRoot({ orgId, meshId, name, trustDomain }, kek, context)
  return transaction(() => {
    if (findMeshRow(sql)) return false
    const epoch = newId(random)
    const counters = { sequence: 0, horizon: 0, revision: 0, trustEpoch: 0 }
    const times = { createdAt: now(), epochStartedAt: now(), tickedAt: now() }
    insertMeshRow(sql, { orgId, meshId, settings, generation, epoch, ...counters, ...times })
    writeSettings(sql, settings)
    // Of two that were begun at the same time the directory may have the other one's settings.
    announce(context, 'mesh')
    commitRoot(context, root, true, initiator)
    writeAudit(context, initiator, { action: 'mesh.create', target: name })
    return true
  })
}
