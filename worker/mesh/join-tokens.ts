import type { ClusterKind, JoinToken } from '#api/schemas/clusters.ts'
import { ok } from '#mesh/result.ts'
import { toWaitSeconds } from '../directory/failed-attempts.ts'
import { planeInitiator, writeAudit } from './audit.ts'
import type { Initiator } from './audit.ts'
import { hasRoomFor, MAX_CLUSTERS } from './clusters.ts'
import { firstRow } from './context.ts'
import type { MeshContext } from './context.ts'
import { refuse } from './refusal.ts'
import type { Outcome } from './refusal.ts'

/** A join token's id begins with the id of its mesh, of this length. */
export const MESH_ID_CHARS = 16
const MAX_OPEN_TOKENS = 1_000
/** Used and expired tokens are shown for a week. */
const FORGET_AFTER_MS = 7 * 24 * 60 * 60 * 1000

export interface JoinTokenRow extends Record<string, SqlStorageValue> {
  id: string
  secretHash: string
  cluster: JoinToken['cluster']
  network: JoinToken['network']
  kind: ClusterKind
  createdAt: number
  expiresAt: number
  usedAt: number | null
  /** Hash of the certificate request and identity key that it was used for. */
  usedFor: string | null
  /** The certificate that was issued for it; null until it has been signed. */
  serial: string | null
  /** Joins that were refused to who has the token, in the hour from `refusalsSince` on. */
  refusals: number
  refusalsSince: number
  /** Joins with its id and another secret that the audit log has not told of; the first of them, and when it last told. */
  guesses: number
  guessesSince: number
  guessesToldAt: number
  /** How many came within an hour of the one before. */
  guessStreak: number
}

const columns = `id, secret_hash AS secretHash, cluster, network, kind, created_at AS createdAt, expires_at AS expiresAt,
  used_at AS usedAt, used_for AS usedFor, serial, refusals, refusals_since AS refusalsSince,
  guesses, guesses_since AS guessesSince, guesses_told_at AS guessesToldAt,
  guess_streak AS guessStreak`

const toJoinToken = (row: JoinTokenRow): JoinToken => ({
  id: row.id,
  cluster: row.cluster,
  network: row.network,
  kind: row.kind,
  createdAt: new Date(row.createdAt).toISOString(),
  expiresAt: new Date(row.expiresAt).toISOString(),
  usedAt: row.usedAt === null ? null : new Date(row.usedAt).toISOString(),
})

/** What it permits. */
const toDetail = ({ network, kind, expiresAt }: JoinTokenRow) => ({
  network,
  kind,
  expiresAt: new Date(expiresAt).toISOString(),
})

export interface NewJoinToken {
  readonly id: string
  readonly secretHash: string
  readonly cluster: JoinToken['cluster']
  readonly network: JoinToken['network']
  readonly kind: ClusterKind
  readonly ttlSeconds: number
}

export const createJoinToken = (
  context: MeshContext,
  token: NewJoinToken,
  initiator: Initiator,
): Outcome<JoinToken> => {
  const { sql, now } = context
  const { open } = sql
    .exec<{ open: number }>('SELECT count(*) AS open FROM join_tokens WHERE used_at IS NULL AND expires_at > ?', now())
    .one()
  if (open >= MAX_OPEN_TOKENS)
    return refuse('limit_reached', `a mesh may have ${MAX_OPEN_TOKENS} join tokens that wait to be used`)
  if (!hasRoomFor(sql, token.cluster))
    return refuse('limit_reached', `a mesh may have ${MAX_CLUSTERS} clusters`, { name: 'clusters' })
  const row = sql
    .exec<JoinTokenRow>(
      `INSERT INTO join_tokens (id, secret_hash, cluster, network, kind, created_at, expires_at)
       VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING ${columns}`,
      token.id,
      token.secretHash,
      token.cluster,
      token.network,
      token.kind,
      now(),
      now() + token.ttlSeconds * 1000,
    )
    .one()
  writeAudit(context, initiator, {
    action: 'join-token.create',
    target: token.id,
    cluster: token.cluster,
    detail: toDetail(row),
  })
  return ok(toJoinToken(row))
}

export const findJoinToken = (sql: SqlStorage, id: string): JoinTokenRow | undefined =>
  firstRow(sql.exec<JoinTokenRow>(`SELECT ${columns} FROM join_tokens WHERE id = ?`, id))

/** Newest first: those made before `before`, and of those made at that moment the ones with a smaller id. */
export const listJoinTokens = (
  sql: SqlStorage,
  before: { readonly createdAt: number; readonly id: string },
  limit: number,
): JoinToken[] =>
  sql
    .exec<JoinTokenRow>(
      `SELECT ${columns} FROM join_tokens WHERE (created_at, id) < (?, ?) ORDER BY created_at DESC, id DESC LIMIT ?`,
      before.createdAt,
      before.id,
      limit,
    )
    .toArray()
    .map(toJoinToken)

export const revokeJoinToken = (context: MeshContext, id: string, initiator: Initiator): Outcome<null> => {
  const { sql } = context
  const row = findJoinToken(sql, id)
  if (!row) return refuse('not_found', `there is no join token ${id}`)
  sql.exec('DELETE FROM join_tokens WHERE id = ?', id)
  writeAudit(context, initiator, {
    action: 'join-token.revoke',
    target: id,
    cluster: row.cluster,
    detail: { ...toDetail(row), used: row.usedAt !== null },
  })
  return ok(null)
}

const REFUSALS_MS = 60 * 60 * 1000
/** An agent asks for the same thing again and again: whoever is refused so often is none, or asks in vain. */
const MAX_REFUSALS = 10

/** Whether who has the token was refused so often in an hour that nothing more is looked at, nor written down. */
export const isRefusedTooOften = ({ refusals, refusalsSince }: JoinTokenRow, nowMs: number): boolean =>
  refusals >= MAX_REFUSALS && nowMs < refusalsSince + REFUSALS_MS

export const countRefusal = (sql: SqlStorage, { id }: JoinTokenRow, nowMs: number): void => {
  sql.exec(
    `UPDATE join_tokens SET refusals = iif(refusals_since > ?1, refusals + 1, 1),
       refusals_since = iif(refusals_since > ?1, refusals_since, ?2) WHERE id = ?3`,
    nowMs - REFUSALS_MS,
    nowMs,
    id,
  )
}

/** The audit log tells of the first guess at once, and then of those of an hour together. */
const TELL_GUESSES_MS = 60 * 60 * 1000

/**
 * Counts a join with a token's id and another secret. It keeps nobody out who has the token: 256 random bits are not found by guessing, and
 * who knows an id could use up the refusals of whoever it is for. Answers how long whoever guesses is told to wait.
 */
export const countGuess = (
  context: MeshContext,
  { id }: JoinTokenRow,
  by: Pick<Initiator, 'requestId' | 'client'>,
): number => {
  const { sql, now } = context
  const row = sql
    .exec<JoinTokenRow>(
      `UPDATE join_tokens SET guesses = guesses + 1, guesses_since = iif(guesses = 0, ?1, guesses_since),
         guess_streak = iif(guessed_at < ?1 - ?3, 1, guess_streak + 1), guessed_at = ?1
       WHERE id = ?2 RETURNING ${columns}`,
      now(),
      id,
      TELL_GUESSES_MS,
    )
    .one()
  if (row.guessesToldAt <= now() - TELL_GUESSES_MS) tellGuesses(context, row, by)
  return toWaitSeconds(row.guessStreak)
}

/** Has the audit log tell of what was guessed and not told, when that is an hour old. */
export const tellOldGuesses = (context: MeshContext): void => {
  const { sql, now } = context
  const old = sql.exec<JoinTokenRow>(
    `SELECT ${columns} FROM join_tokens WHERE guesses > 0 AND guesses_told_at <= ? LIMIT 100`,
    now() - TELL_GUESSES_MS,
  )
  for (const row of old.toArray()) tellGuesses(context, row, { requestId: null })
}

const tellGuesses = (
  context: MeshContext,
  { id, cluster, guesses, guessesSince }: JoinTokenRow,
  by: Pick<Initiator, 'requestId' | 'client'>,
): void => {
  const { sql, now } = context
  sql.exec('UPDATE join_tokens SET guesses = 0, guesses_told_at = ? WHERE id = ?', now(), id)
  writeAudit(
    context,
    { ...planeInitiator, ...by },
    {
      action: 'join-token.refuse',
      target: id,
      cluster,
      outcome: 'refused',
      detail: {
        reason: 'wrong secret',
        attempts: guesses,
        from: new Date(guessesSince).toISOString(),
        until: new Date(now()).toISOString(),
      },
    },
  )
}

export const pruneJoinTokens = (sql: SqlStorage, nowMs: number): void => {
  sql.exec('DELETE FROM join_tokens WHERE expires_at < ?', nowMs - FORGET_AFTER_MS)
}
