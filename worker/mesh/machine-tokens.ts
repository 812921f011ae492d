import type { MachineToken } from '#api/schemas/machine-tokens.ts'
import { stateKeys } from '#mesh/state.ts'
import type { MachineToken as MachineTokenState } from '#mesh/state.ts'
import { ok } from '#mesh/result.ts'
import { writeAudit } from './audit.ts'
import type { Initiator } from './audit.ts'
import { findMember } from './clusters.ts'
import { firstRow } from './context.ts'
import type { MeshContext } from './context.ts'
import { refuse } from './refusal.ts'
import type { Outcome } from './refusal.ts'
import { removeState, writeState } from './state-log.ts'

/** Of one cluster. */
export const MAX_MACHINE_TOKENS = 5_000

interface Columns extends Record<string, SqlStorageValue> {
  id: string
  cluster: MachineToken['cluster']
  role: MachineTokenState['role']
  namespace: string
  serviceAccount: string
  workload: string
  ofGroup: number
  createdAt: number
  expiresAt: number
}

const columns = `id, cluster, role, namespace, service_account AS serviceAccount, workload, of_group AS ofGroup,
  created_at AS createdAt, expires_at AS expiresAt`

const toMachineToken = ({ ofGroup, ...row }: Columns): MachineToken => ({
  ...row,
  group: ofGroup === 1,
  createdAt: new Date(row.createdAt).toISOString(),
  expiresAt: new Date(row.expiresAt).toISOString(),
})

/** What it permits. */
const toDetail = ({ role, namespace, serviceAccount, workload, group, expiresAt }: MachineToken) => ({
  role,
  namespace,
  serviceAccount,
  workload,
  expiresAt,
  ...(group && { group }),
})

export interface NewMachineToken {
  readonly id: string
  readonly secretHash: string
  readonly role: MachineTokenState['role']
  readonly namespace: string
  readonly serviceAccount: string
  readonly workload: string
  readonly group: boolean
  readonly ttlSeconds: number
}

export const createMachineToken = (
  context: MeshContext,
  cluster: string,
  token: NewMachineToken,
  initiator: Initiator,
): Outcome<MachineToken> => {
  const { sql, now } = context
  if (!findMember(sql, cluster)) return refuse('not_found', `there is no cluster ${cluster} in the mesh`)
  const { tokens } = sql
    .exec<{ tokens: number }>('SELECT count(*) AS tokens FROM machine_tokens WHERE cluster = ?', cluster)
    .one()
  if (tokens >= MAX_MACHINE_TOKENS)
    return refuse('limit_reached', `a cluster may have ${MAX_MACHINE_TOKENS} machine tokens`)
  const { id, secretHash, role, namespace, serviceAccount, workload, group } = token
  const row = sql
    .exec<Columns>(
      `INSERT INTO machine_tokens (id, cluster, role, namespace, service_account, workload, of_group, created_at, expires_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING ${columns}`,
      id,
      cluster,
      role,
      namespace,
      serviceAccount,
      workload,
      Number(group),
      now(),
      now() + token.ttlSeconds * 1000,
    )
    .one()
  const created = toMachineToken(row)
  const value: MachineTokenState = {
    id,
    secretHash,
    role,
    namespace,
    serviceAccount,
    workload,
    ...(group && { group }),
    expiresAt: created.expiresAt,
  }
  writeState(sql, [
    { key: stateKeys.machineToken(id), item: { kind: 'machine-token', value }, audience: { to: 'cluster', cluster } },
  ])
  writeAudit(context, initiator, {
    action: 'machine-token.create',
    target: id,
    cluster,
    detail: toDetail(created),
  })
  return ok(created)
}

/** Newest first: those made before `before`, and of those made at that moment the ones with a smaller id. */
export const listMachineTokens = (
  sql: SqlStorage,
  cluster: string,
  before: { readonly createdAt: number; readonly id: string },
  limit: number,
): MachineToken[] =>
  sql
    .exec<Columns>(
      `SELECT ${columns} FROM machine_tokens WHERE cluster = ? AND (created_at, id) < (?, ?)
       ORDER BY created_at DESC, id DESC LIMIT ?`,
      cluster,
      before.createdAt,
      before.id,
      limit,
    )
    .toArray()
    .map(toMachineToken)

export const revokeMachineToken = (
  context: MeshContext,
  cluster: string,
  id: string,
  initiator: Initiator,
): Outcome<null> => {
  const { sql } = context
  const row = firstRow(
    sql.exec<Columns>(`DELETE FROM machine_tokens WHERE cluster = ? AND id = ? RETURNING ${columns}`, cluster, id),
  )
  if (!row) return refuse('not_found', `the cluster ${cluster} has no machine token ${id}`)
  removeState(sql, [stateKeys.machineToken(id)])
  writeAudit(context, initiator, {
    action: 'machine-token.revoke',
    target: id,
    cluster,
    detail: toDetail(toMachineToken(row)),
  })
  return ok(null)
}

const removeTokens = (sql: SqlStorage, condition: string, value: SqlStorageValue): boolean =>
  removeState(
    sql,
    sql
      .exec<{ id: string }>(`DELETE FROM machine_tokens WHERE ${condition} RETURNING id`, value)
      .toArray()
      .map(({ id }) => stateKeys.machineToken(id)),
  )

export const removeMachineTokensOf = (sql: SqlStorage, cluster: string): boolean =>
  removeTokens(sql, 'cluster = ?', cluster)

/** Agents refuse an expired token by themselves; here it only takes room. Answers whether there were any. */
export const removeExpiredMachineTokens = (sql: SqlStorage, nowMs: number): boolean =>
  removeTokens(sql, 'expires_at <= ?', nowMs)
