import { AUDIT_GENESIS } from '#api/audit-chain.ts'
import { AUDIT_KEY_ACTION } from '#api/audit-signature.ts'
import type { Actor, AuditChain, AuditEvent, AuditPlace } from '#api/schemas/audit.ts'
import { boundFacts } from '../audit/bound-facts.ts'
import type { AuditFacts } from '../audit/bound-facts.ts'
import { chainEvent } from '../audit/chain-event.ts'
import type { ChainedEvent } from '../audit/chain-event.ts'
import type { EventSigner } from '../audit/event-signer.ts'
import type { AuditClient } from '../audit/client.ts'
import { firstRow, runBulk } from './context.ts'
import type { MeshContext } from './context.ts'
import { findMeshRow } from './mesh-row.ts'

/** Events beyond this many are forgotten, oldest first. */
export const MAX_AUDIT_EVENTS = 50_000
const PRUNE_EVERY = 100

/** Who asks for a write, in which request and from where. */
export interface Initiator {
  readonly actor: Actor
  readonly requestId: string | null
  readonly client?: AuditClient | undefined
}

/** The plane itself, as an actor: leases that run out, a root that is renewed. */
export const planeInitiator: Initiator = { actor: { kind: 'plane', id: 'plane', name: 'plane' }, requestId: null }

/** Writes an event in the transaction of what it tells of: there is not one without the other. */
export const writeAudit = (context: MeshContext, { actor, requestId, client }: Initiator, facts: AuditFacts): void => {
  const { sql } = context
  const chain = readAuditChain(context)
  const nowMs = context.now()
  const at = new Date(nowMs).toISOString()
  const { event, head } = chainEvent(chain.head, { at, actor, requestId, client: client ?? null, ...boundFacts(facts) })
  sql.exec(
    `INSERT INTO audit (number, at, actor_kind, actor_id, actor_name, action, target, cluster, outcome, detail, request_id,
                        client, changes, previous_hash, hash, signature)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    head.sequence,
    nowMs,
    actor.kind,
    actor.id,
    actor.name,
    event.action,
    event.target,
    event.cluster,
    event.outcome,
    JSON.stringify(event.detail),
    requestId,
    event.client ? JSON.stringify(event.client) : null,
    JSON.stringify(event.changes),
    event.previousHash,
    event.hash,
    signHead(context, event.hash),
  )
  sql.exec('UPDATE audit_chain SET head_sequence = ?, head_hash = ?', head.sequence, head.hash)
  if (head.sequence % PRUNE_EVERY === 0) pruneAudit(sql, head.sequence - MAX_AUDIT_EVENTS)
}

const signHead = ({ sql, signer }: MeshContext, hash: string): string | null => {
  const log = findMeshRow(sql)?.meshId
  return (log !== undefined && signer?.()?.sign(log, hash)) || null
}

/** An event tells which key signs from here on, and vouches for the one before it: `previous`, where the plane still has that. */
export const announceAuditKey = (context: MeshContext, previous: EventSigner | undefined): void => {
  const signer = context.signer?.()
  const { head } = readAuditChain(context)
  if (!signer || head.sequence === 0) return
  const row = firstRow(
    context.sql.exec<{ signature: string | null }>('SELECT signature FROM audit WHERE number = ?', head.sequence),
  )
  if (row?.signature?.startsWith(`${signer.keyId}.`)) return
  writeAudit(context, planeInitiator, {
    action: AUDIT_KEY_ACTION,
    target: 'audit',
    detail: { key: signer.publicKey, ...(previous && { previous: previous.publicKey }) },
  })
}

/** Events that the agents of one cluster may cause in an hour: a stolen one does not push out of the log what people have done. */
export const MAX_AGENT_EVENTS_PER_HOUR = 200
const HOUR_MS = 60 * 60 * 1000

/** Whether a cluster's agents have caused so many events of late that they may cause no further one. */
export const isFloodedBy = ({ sql, now }: MeshContext, cluster: string): boolean =>
  sql
    .exec<{ events: number }>(
      `SELECT count(*) AS events FROM audit WHERE actor_kind = 'agent' AND actor_id = ? AND at > ?`,
      cluster,
      now() - HOUR_MS,
    )
    .one().events >= MAX_AGENT_EVENTS_PER_HOUR

/** Forgets the events up to this one; the anchor keeps the hash of the last of them, so that the rest still verifies. */
export const pruneAudit = (sql: SqlStorage, last: number): void => {
  const oldest = firstRow(
    sql.exec<{ number: number; previousHash: string }>(
      'SELECT number, previous_hash AS previousHash FROM audit WHERE number > ? ORDER BY number LIMIT 1',
      last,
    ),
  )
  if (last <= 0 || !oldest) return
  const { rowsWritten } = sql.exec('DELETE FROM audit WHERE number <= ?', last)
  if (rowsWritten > 0)
    sql.exec('UPDATE audit_chain SET anchor_sequence = ?, anchor_hash = ?', oldest.number - 1, oldest.previousHash)
}

interface ChainColumns extends Record<string, SqlStorageValue> {
  anchorSequence: number
  anchorHash: string
  headSequence: number
  headHash: string
}

/** Where the chain begins and ends. In an object that an older version has written, it is made of what is there. */
export const readAuditChain = (context: MeshContext): AuditChain => {
  const { sql } = context
  const row = firstRow(
    sql.exec<ChainColumns>(
      `SELECT anchor_sequence AS anchorSequence, anchor_hash AS anchorHash, head_sequence AS headSequence, head_hash AS headHash
       FROM audit_chain`,
    ),
  )
  if (!row) return beginAuditChain(context)
  return {
    anchor: { sequence: row.anchorSequence, hash: row.anchorHash },
    head: { sequence: row.headSequence, hash: row.headHash },
  }
}

/** An event tells how many there were before there was a chain, and the hash of the last of them: until then nothing protected them. */
const beginAuditChain = (context: MeshContext): AuditChain => {
  const { sql } = context
  const first = firstRow(sql.exec<{ number: number }>('SELECT number FROM audit ORDER BY number LIMIT 1'))?.number
  const anchor: AuditPlace = { sequence: (first ?? 1) - 1, hash: AUDIT_GENESIS }
  let head = anchor
  const hashes: [number: number, previousHash: string, hash: string][] = []
  for (const row of sql.exec<AuditColumns>(`SELECT ${columns} FROM audit ORDER BY number`)) {
    const chained = chainEvent({ sequence: row.number - 1, hash: head.hash }, toAuditEvent(row))
    hashes.push([row.number, head.hash, chained.head.hash])
    head = chained.head
  }
  runBulk(
    sql,
    `UPDATE audit SET previous_hash = value ->> 1, hash = value ->> 2 FROM json_each(?1) AS hashes WHERE number = value ->> 0`,
    hashes,
  )
  sql.exec(
    `INSERT INTO audit_chain (only_row, anchor_sequence, anchor_hash, head_sequence, head_hash) VALUES (1, ?, ?, ?, ?)`,
    anchor.sequence,
    anchor.hash,
    head.sequence,
    head.hash,
  )
  if (hashes.length === 0) return { anchor, head }
  writeAudit(context, planeInitiator, {
    action: 'audit.chain',
    target: 'audit',
    detail: { eventsBefore: hashes.length, lastHash: head.hash },
  })
  return readAuditChain(context)
}

export interface AuditFilter {
  /** Exactly this action, or, with a trailing dot, all actions of a resource. */
  readonly action?: string | undefined
  readonly actor?: string | undefined
  readonly cluster?: string | undefined
  readonly sinceMs?: number | undefined
  readonly untilMs?: number | undefined
}

/** Which events come first, and behind which one to begin. */
export interface AuditPosition {
  readonly order: 'newest' | 'oldest'
  readonly from: number
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
  client: string | null
  changes: string
  previousHash: string | null
  hash: string | null
  signature: string | null
}

const columns = `number, at, actor_kind AS actorKind, actor_id AS actorId, actor_name AS actorName, action, target, cluster, outcome,
  detail, request_id AS requestId, client, changes, previous_hash AS previousHash, hash, signature`

const toAuditEvent = (row: AuditColumns): ChainedEvent => ({
  id: String(row.number),
  at: new Date(row.at).toISOString(),
  actor: { kind: row.actorKind, id: row.actorId, name: row.actorName },
  client: row.client === null ? null : (JSON.parse(row.client) as AuditClient),
  action: row.action,
  target: row.target,
  cluster: row.cluster as AuditEvent['cluster'],
  outcome: row.outcome,
  detail: JSON.parse(row.detail) as AuditEvent['detail'],
  changes: JSON.parse(row.changes) as AuditEvent['changes'],
  requestId: row.requestId,
  previousHash: row.previousHash ?? '',
  hash: row.hash ?? '',
  ...(row.signature !== null && { signature: row.signature }),
})

export const listAudit = (
  sql: SqlStorage,
  filter: AuditFilter,
  { order, from }: AuditPosition,
  limit: number,
): AuditEvent[] => {
  const prefix = filter.action?.endsWith('.') ? filter.action : null
  return sql
    .exec<AuditColumns>(
      `SELECT ${columns} FROM audit
       WHERE number ${order === 'newest' ? '<' : '>'} ?1
         AND (?2 IS NULL OR action = ?2) AND (?3 IS NULL OR substr(action, 1, length(?3)) = ?3)
         AND (?4 IS NULL OR actor_id = ?4) AND (?5 IS NULL OR cluster = ?5)
         AND (?6 IS NULL OR at >= ?6) AND (?7 IS NULL OR at <= ?7)
       ORDER BY number ${order === 'newest' ? 'DESC' : 'ASC'} LIMIT ?8`,
      from,
      prefix === null ? (filter.action ?? null) : null,
      prefix,
      filter.actor ?? null,
      filter.cluster ?? null,
      filter.sinceMs ?? null,
      filter.untilMs ?? null,
      limit,
    )
    .toArray()
    .map(toAuditEvent)
}
