import { and, eq, lt, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { idempotency } from './schema.ts'

/** How long a repeated request is answered as the first time. */
export const KEPT_MS = 24 * 60 * 60 * 1000
/** A request that has not ended by then was cut off; it may be tried again. */
const RUNNING_MS = 2 * 60 * 1000
/** Of one caller. */
const MAX_KEPT = 10_000

export interface RequestName {
  readonly caller: string
  readonly key: string
  readonly requestHash: string
}

export type Beginning =
  /** The first time: do it. */
  | { readonly kind: 'new' }
  | { readonly kind: 'done'; readonly status: number; readonly answer: string }
  /** The key was used for another request, or this one is still running. */
  | { readonly kind: 'conflict' }
  | { readonly kind: 'full' }

export const beginRequest = async (db: D1Database, name: RequestName, nowMs: number): Promise<Beginning> => {
  const database = drizzle(db)
  await database.delete(idempotency).where(lt(idempotency.expiresAt, nowMs))
  const entered = await database.all(
    sql`INSERT INTO idempotency (caller, key, request_hash, expires_at)
        SELECT ${name.caller}, ${name.key}, ${name.requestHash}, ${nowMs + RUNNING_MS}
        WHERE (SELECT count(*) FROM idempotency WHERE caller = ${name.caller}) < ${MAX_KEPT}
        ON CONFLICT DO NOTHING RETURNING key`,
  )
  if (entered.length > 0) return { kind: 'new' }
  const [known] = await database.select().from(idempotency).where(isNamed(name))
  if (!known) return { kind: 'full' }
  const { requestHash, status, answer } = known
  return requestHash === name.requestHash && status !== null && answer !== null
    ? { kind: 'done', status, answer }
    : { kind: 'conflict' }
}

export const endRequest = async (
  db: D1Database,
  name: RequestName,
  status: number,
  answer: string,
  nowMs: number,
): Promise<void> => {
  await drizzle(db)
    .update(idempotency)
    .set({ status, answer, expiresAt: nowMs + KEPT_MS })
    .where(isNamed(name))
}

/** The request came to nothing: it may be tried again. */
export const forgetRequest = async (db: D1Database, name: RequestName): Promise<void> => {
  await drizzle(db).delete(idempotency).where(isNamed(name))
}

const isNamed = ({ caller, key }: RequestName) => and(eq(idempotency.caller, caller), eq(idempotency.key, key))
