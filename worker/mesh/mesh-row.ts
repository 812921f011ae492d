import { readStoredSettings } from '#mesh/settings.ts'
import type { MeshSettings } from '#mesh/settings.ts'
import { firstRow } from './context.ts'
import { NOT_CREATED } from './mesh-store.ts'

/** What there is one of in a mesh: the row `mesh`. Times are milliseconds since the epoch. */
export interface MeshRow {
  readonly orgId: string
  readonly meshId: string
  readonly settings: MeshSettings
  readonly createdAt: number
  /** The plane's generation (an operator's setting, changed by a restore) under which the epoch began. */
  readonly generation: string
  readonly epoch: string
  readonly epochStartedAt: number
  readonly sequence: number
  readonly horizon: number
  readonly revision: number
  readonly trustEpoch: number
  /** Of the trust that agents were told last; 0 = they were told none that has one. */
  readonly trustVersion: number
  readonly tickedAt: number
}

type Columns = Omit<MeshRow, 'settings'> & { settings: string } & Record<string, SqlStorageValue>

/** Undefined until the mesh is created. */
export const findMeshRow = (sql: SqlStorage): MeshRow | undefined => {
  const row = firstRow(
    sql.exec<Columns>(
      `SELECT org_id AS orgId, mesh_id AS meshId, settings, created_at AS createdAt, generation, epoch,
              epoch_started_at AS epochStartedAt, sequence, horizon, revision, trust_epoch AS trustEpoch, trust_version AS trustVersion, ticked_at AS tickedAt
       FROM mesh`,
    ),
  )
  return row && { ...row, settings: readStoredSettings(row.settings) }
}

/** @throws Error `NOT_CREATED`: the routes look a mesh up in the directory first, which may be ahead of it or behind. */
export const readMeshRow = (sql: SqlStorage): MeshRow => {
  const row = findMeshRow(sql)
  if (!row) throw new Error(NOT_CREATED)
  return row
}

export const insertMeshRow = (sql: SqlStorage, row: Omit<MeshRow, 'trustVersion'>): void => {
  sql.exec(
    `INSERT INTO mesh (only_row, org_id, mesh_id, settings, created_at, generation, epoch, epoch_started_at,
                       sequence, horizon, revision, trust_epoch, ticked_at)
     VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    row.orgId,
    row.meshId,
    JSON.stringify(row.settings),
    row.createdAt,
    row.generation,
    row.epoch,
    row.epochStartedAt,
    row.sequence,
    row.horizon,
    row.revision,
    row.trustEpoch,
    row.tickedAt,
  )
}
