import { and, asc, desc, eq, gt, isNull, lt, lte, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import { AtollError } from '#api/atoll-error.ts'
import { AUDIT_GENESIS } from '#api/audit-chain.ts'
import type { Actor, AuditChain, AuditEvent, AuditPlace } from '#api/schemas/audit.ts'
import { boundFacts } from '../audit/bound-facts.ts'
import type { AuditFacts } from '../audit/bound-facts.ts'
import { chainEvent } from '../audit/chain-event.ts'
import type { AuditClient } from '../audit/client.ts'
import type { AuditPosition, Initiator } from '../mesh/audit.ts'
import { planeInitiator } from '../mesh/audit.ts'
import { orgAudit, orgAuditChain } from './schema.ts'

/** Of one org; beyond this many they are forgotten, oldest first. */
export const MAX_ORG_AUDIT_EVENTS = 10_000
/** Of writes that get in each other's way one comes through each time. */
const MAX_ATTEMPTS = 12

/** What was done to an org and is not one mesh's, and by whom. */
export interface OrgEvent {
  readonly at: number
  readonly by: Initiator
  readonly facts: AuditFacts
}

type Statement = Parameters<DrizzleD1Database['batch']>[0][number]

/**
 * Makes a write to the directory together with the event that tells of it, in one transaction. The event follows the newest one: when another
 * write came between, both are tried again, from `toStatements` on: what that reads, no other such write of the org has changed when its
 * statements run.
 *
 * @throws AtollError `unavailable` when there was always another write. Whatever `toStatements` throws; then nothing was written.
 */
export const writeWithEvent = async (
  db: D1Database,
  orgId: string,
  event: OrgEvent,
  toStatements: (database: DrizzleD1Database) => readonly Statement[] | Promise<readonly Statement[]>,
): Promise<void> => {
  const database = drizzle(db)
  for (let attempt = 1; ; attempt += 1) {
    const chain = await readOrgAuditChain(db, orgId)
    const { head, statements } = toEventWrites(database, orgId, chain, [event])
    const written = await toStatements(database)
    try {
      const [first, ...rest] = statements
      await database.batch([first, ...rest, ...written])
      return
    } catch (error) {
      const now = await findChain(database, orgId)
      if (now.head.sequence < head.sequence) throw error
      if (attempt === MAX_ATTEMPTS)
        throw new AtollError('unavailable', 'too much is written to the org at once: try again', { cause: error })
    }
  }
}

/** The statements that put events behind the newest one, and the place of the last of them. */
const toEventWrites = (
  database: DrizzleD1Database,
  orgId: string,
  { anchor, head: before }: AuditChain,
  events: readonly OrgEvent[],
) => {
  let head: AuditPlace = before
  const rows = events.map(({ at, by: { actor, requestId, client }, facts }) => {
    const unchained = { at: new Date(at).toISOString(), actor, requestId, client: client ?? null, ...boundFacts(facts) }
    const chained = chainEvent(head, unchained)
    head = chained.head
    const { action, target, outcome, detail, changes, previousHash, hash } = chained.event
    return {
      orgId,
      at,
      action,
      target,
      previousHash,
      hash,
      sequence: head.sequence,
      requestId: requestId ?? '',
      outcome: outcome as 'done' | 'refused',
      actor: JSON.stringify(actor),
      client: client ? JSON.stringify(client) : null,
      detail: JSON.stringify(detail),
      changes: JSON.stringify(changes),
    }
  })
  return {
    head,
    statements: [
      database.insert(orgAudit).values(rows),
      database
        .insert(orgAuditChain)
        .values(toChainRow(orgId, { anchor, head }))
        .onConflictDoUpdate({
          target: orgAuditChain.orgId,
          set: { headSequence: head.sequence, headHash: head.hash },
        }),
      ...toPruning(database, orgId, head.sequence - MAX_ORG_AUDIT_EVENTS),
    ] as const,
  }
}

/** Forgets the events up to this one; the anchor keeps the hash of the last of them, so that the rest still verifies. */
const toPruning = (database: DrizzleD1Database, orgId: string, last: number) => {
  if (last <= 0) return []
  const isLast = and(eq(orgAudit.orgId, orgId), eq(orgAudit.sequence, last))
  const lastHash = database.select({ hash: orgAudit.hash }).from(orgAudit).where(isLast)
  // Should that one be missing, it is verifying that fails, and not every write from now on.
  const anchorHash = sql`coalesce((${lastHash}), ${orgAuditChain.anchorHash})`
  return [
    database
      .update(orgAuditChain)
      .set({ anchorSequence: last, anchorHash })
      .where(and(eq(orgAuditChain.orgId, orgId), lt(orgAuditChain.anchorSequence, last))),
    database.delete(orgAudit).where(and(eq(orgAudit.orgId, orgId), lte(orgAudit.sequence, last))),
  ]
}

const toChainRow = (orgId: string, { anchor, head }: AuditChain): typeof orgAuditChain.$inferInsert => ({
  orgId,
  anchorSequence: anchor.sequence,
  anchorHash: anchor.hash,
  headSequence: head.sequence,
  headHash: head.hash,
})

const findChain = async (database: DrizzleD1Database, orgId: string): Promise<AuditChain> => {
  const [row] = await database.select().from(orgAuditChain).where(eq(orgAuditChain.orgId, orgId))
  const nothing = { sequence: 0, hash: AUDIT_GENESIS }
  if (!row) return { anchor: nothing, head: nothing }
  return {
    anchor: { sequence: row.anchorSequence, hash: row.anchorHash },
    head: { sequence: row.headSequence, hash: row.headHash },
  }
}

/** Where the chain of an org begins and ends. What an older version has written, before it or beside it, is put behind the newest event first. */
export const readOrgAuditChain = async (db: D1Database, orgId: string): Promise<AuditChain> => {
  const database = drizzle(db)
  for (let attempt = 1; ; attempt += 1) {
    const chain = await findChain(database, orgId)
    const rows = await database
      .select()
      .from(orgAudit)
      .where(and(eq(orgAudit.orgId, orgId), isNull(orgAudit.sequence)))
      .orderBy(asc(orgAudit.number))
      .limit(CHAINED_TOGETHER)
    if (rows.length === 0) return chain
    try {
      await chainRows(database, orgId, chain, rows)
    } catch (error) {
      if (attempt === MAX_ATTEMPTS) throw error
    }
  }
}

/** Their hashes are one value of a statement: half of the largest one. */
const CHAINED_TOGETHER = 5_000

/** An event tells how many there were: until then nothing protected them. */
const chainRows = async (
  database: DrizzleD1Database,
  orgId: string,
  { anchor, head: before }: AuditChain,
  rows: readonly Row[],
): Promise<void> => {
  let head = before
  const places = rows.map((row): [number: number, sequence: number, previousHash: string, hash: string] => {
    const previousHash = head.hash
    head = chainEvent(head, toAuditEvent(row)).head
    return [row.number, head.sequence, previousHash, head.hash]
  })
  const event: OrgEvent = {
    at: Date.now(),
    by: planeInitiator,
    facts: { action: 'audit.chain', target: 'audit', detail: { eventsBefore: rows.length, lastHash: head.hash } },
  }
  const update = database
    .update(orgAudit)
    .set({ sequence: sql`value ->> 1`, previousHash: sql`value ->> 2`, hash: sql`value ->> 3` })
    .from(sql`json_each(${JSON.stringify(places)})`)
    .where(and(eq(orgAudit.number, sql`value ->> 0`), isNull(orgAudit.sequence)))
  const { statements } = toEventWrites(database, orgId, { anchor, head }, [event])
  await database.batch([update, ...statements])
}

type Row = typeof orgAudit.$inferSelect

const toAuditEvent = (row: Row): AuditEvent => ({
  id: String(row.sequence),
  at: new Date(row.at).toISOString(),
  actor: JSON.parse(row.actor) as Actor,
  client: row.client === null ? null : (JSON.parse(row.client) as AuditClient),
  action: row.action,
  target: row.target,
  cluster: null,
  outcome: row.outcome,
  detail: JSON.parse(row.detail) as AuditEvent['detail'],
  changes: JSON.parse(row.changes) as AuditEvent['changes'],
  requestId: row.requestId === '' ? null : row.requestId,
  previousHash: row.previousHash ?? '',
  hash: row.hash ?? '',
})

export const listOrgAudit = async (
  db: D1Database,
  orgId: string,
  { order, from }: AuditPosition,
  limit: number,
): Promise<AuditEvent[]> => {
  await readOrgAuditChain(db, orgId)
  const isBehind = order === 'newest' ? lt(orgAudit.sequence, from) : gt(orgAudit.sequence, from)
  const rows = await drizzle(db)
    .select()
    .from(orgAudit)
    .where(and(eq(orgAudit.orgId, orgId), isBehind))
    .orderBy(order === 'newest' ? desc(orgAudit.sequence) : asc(orgAudit.sequence))
    .limit(limit)
  return rows.map(toAuditEvent)
}
