import type { Actor, AuditEvent } from '#api/schemas/audit.ts'
import type { MeshContext } from './context.ts'

/** Events beyond this many are forgotten, oldest first. */
export const MAX_AUDIT_EVENTS = 50_000
const PRUNE_EVERY = 100

/** Who asks for a write, and in which request. */
export interface Initiator {
  readonly actor: Actor
  readonly requestId: string | null
}

/** The plane itself, as an actor: leases that run out, a root that is renewed. */
export const planeInitiator: Initiator = { actor: { kind: 'plane', id: 'plane', name: 'plane' }, requestId: null }

export interface AuditFacts {
  readonly action: string
  readonly target: string
  readonly cluster?: string
  readonly outcome?: AuditEvent['outcome']
  readonly detail?: AuditEvent['detail']
}

export const writeAudit = ({ sql, now }: MeshContext, { actor, requestId }: Initiator, facts: AuditFacts): void => {
  const { number } = sql
    .exec<{ number: number }>(
      `INSERT INTO audit (at, actor_kind, actor_id, actor_name, action, target, cluster, outcome, detail, request_id)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING number`,
      now(),
      actor.kind,
      actor.id,
      actor.name,
      facts.action,
      facts.target,
      facts.cluster ?? null,
      facts.outcome ?? 'done',
      JSON.stringify(facts.detail ?? {}),
      requestId,
    )
    .one()
  if (number % PRUNE_EVERY === 0) sql.exec('DELETE FROM audit WHERE number <= ?', number - MAX_AUDIT_EVENTS)
}

export interface AuditFilter {
  /** Exactly this action, or, with a trailing dot, all actions of a resource. */
  readonly action?: string | undefined
  readonly actor?: string | undefined
  readonly cluster?: string | undefined
  readonly sinceMs?: number | undefined
  readonly untilMs?: number | undefined
}

interface AuditColumns extends Record<string, SqlStorageValue> {
  number: number
  at: number
  actorKind: Actor['kind']
  actorId: string
  actorName: string
  action: string
  target: string
  cluster: string | null
  outcome: AuditEvent['outcome']
  detail: string
  requestId: string | null
}

/** Newest first, those before event `before`. */
export const listAudit = (sql: SqlStorage, filter: AuditFilter, before: number, limit: number): AuditEvent[] => {
  const prefix = filter.action?.endsWith('.') ? filter.action : null
  return sql
    .exec<AuditColumns>(
      `SELECT number, at, actor_kind AS actorKind, actor_id AS actorId, actor_name AS actorName, action, target, cluster,
              outcome, detail, request_id AS requestId
       FROM audit
       WHERE number < ?1 AND (?2 IS NULL OR action = ?2) AND (?3 IS NULL OR substr(action, 1, length(?3)) = ?3)
         AND (?4 IS NULL OR actor_id = ?4) AND (?5 IS NULL OR cluster = ?5)
         AND (?6 IS NULL OR at >= ?6) AND (?7 IS NULL OR at <= ?7)
       ORDER BY number DESC LIMIT ?8`,
      before,
      prefix === null ? (filter.action ?? null) : null,
      prefix,
      filter.actor ?? null,
      filter.cluster ?? null,
      filter.sinceMs ?? null,
      filter.untilMs ?? null,
      limit,
    )
    .toArray()
    .map((row) => ({
      id: String(row.number),
      at: new Date(row.at).toISOString(),
      actor: { kind: row.actorKind, id: row.actorId, name: row.actorName },
      action: row.action,
      target: row.target,
      cluster: row.cluster as AuditEvent['cluster'],
      outcome: row.outcome,
      detail: JSON.parse(row.detail) as AuditEvent['detail'],
      requestId: row.requestId,
    }))
}
