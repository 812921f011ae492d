import { and, count, eq, gt, isNull } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { AtollError } from '#api/atoll-error.ts'
import type { Member } from '#api/schemas/members.ts'
import type { TokenRole, TokenScopes } from '#api/schemas/tokens.ts'
import type { Initiator } from '../mesh/audit.ts'
import { writeWithEvent } from './org-audit.ts'
import type { OrgEvent } from './org-audit.ts'
import { members, tokens } from './schema.ts'
import { toScopeColumns, toScopes } from './tokens.ts'

/** Of one org. */
export const MAX_MEMBERS = 1_000

type MemberRow = typeof members.$inferSelect

interface Power {
  readonly role: TokenRole
  readonly scopes: TokenScopes
}

/** A member as the directory has it: with a role that this version knows. */
export type KnownMember = Member & Power

/** Of whom the org's identity provider has said that it is them. What they may do is looked up when they are given something. */
export interface IdentifiedMember {
  readonly id: string
  readonly email: string
  /** What the provider calls them for good. */
  readonly subject: string
}

const toMember = (row: MemberRow): KnownMember => ({
  id: row.id,
  email: row.email,
  role: row.role,
  scopes: toScopes(row),
  createdAt: new Date(row.createdAt).toISOString(),
  lastSignInAt: row.lastSignInAt === null ? null : new Date(row.lastSignInAt).toISOString(),
})

export const countMembers = async (db: D1Database, orgId: string): Promise<number> => {
  const [row] = await drizzle(db).select({ members: count() }).from(members).where(eq(members.orgId, orgId))
  return row?.members ?? 0
}

/** By e-mail address, those after `after`. */
export const listMembers = async (
  db: D1Database,
  orgId: string,
  after: string,
  limit: number,
): Promise<KnownMember[]> => {
  const rows = await drizzle(db)
    .select()
    .from(members)
    .where(and(eq(members.orgId, orgId), gt(members.email, after)))
    .orderBy(members.email)
    .limit(limit)
  return rows.map(toMember)
}

export const findMember = async (db: D1Database, orgId: string, id: string): Promise<KnownMember | undefined> => {
  const [row] = await drizzle(db)
    .select()
    .from(members)
    .where(and(eq(members.orgId, orgId), eq(members.id, id)))
  return row && toMember(row)
}

/**
 * Whom an identity provider vouches for: by what it calls somebody for good, or, at the first sign-in, by the address, which is then bound to
 * that. An address that is given to somebody else later is not enough.
 */
export const findIdentified = async (
  db: D1Database,
  orgId: string,
  { subject, email }: { readonly subject: string; readonly email: string | undefined },
  by: Initiator,
): Promise<IdentifiedMember | undefined> => {
  const database = drizzle(db)
  const [known] = await database
    .select()
    .from(members)
    .where(and(eq(members.orgId, orgId), eq(members.subject, subject)))
  if (known) return { id: known.id, email: known.email, subject }
  if (email === undefined) return undefined
  const isInvited = and(eq(members.orgId, orgId), eq(members.email, email), isNull(members.subject))
  const [invited] = await database.select({ id: members.id }).from(members).where(isInvited)
  if (!invited) return undefined
  const event = { at: Date.now(), by, facts: { action: 'member.bind', target: email, detail: { subject } } }
  await writeWithEvent(db, orgId, event, async (batch) => {
    if ((await batch.select({ id: members.id }).from(members).where(isInvited)).length === 0)
      throw new AtollError('sign_in_refused', `somebody else has just signed in as ${email}: sign in again`)
    return [batch.update(members).set({ subject }).where(isInvited)]
  })
  return { id: invited.id, email, subject }
}

/** Undefined = there is one with this address. */
export const insertMember = async (
  db: D1Database,
  orgId: string,
  { role, scopes, ...member }: Power & { readonly id: string; readonly email: string; readonly createdAt: number },
  event: OrgEvent,
): Promise<KnownMember | undefined> => {
  const row = { ...member, orgId, role, ...toScopeColumns(scopes), subject: null, lastSignInAt: null }
  const isTaken = and(eq(members.orgId, orgId), eq(members.email, member.email))
  const findTaken = async () => (await drizzle(db).select({ id: members.id }).from(members).where(isTaken)).length > 0
  if (await findTaken()) return undefined
  try {
    await writeWithEvent(db, orgId, event, (database) => [database.insert(members).values(row)])
  } catch (error) {
    if (await findTaken()) return undefined
    throw error
  }
  return toMember(row)
}

/** With the tokens that the member has signed in for. */
export const changeMember = async (
  db: D1Database,
  orgId: string,
  id: string,
  { role, scopes }: Power,
  event: OrgEvent,
): Promise<void> => {
  const power = { role, ...toScopeColumns(scopes) }
  await writeWithEvent(db, orgId, event, (database) => [
    database
      .update(members)
      .set(power)
      .where(and(eq(members.orgId, orgId), eq(members.id, id))),
    database
      .update(tokens)
      .set(power)
      .where(and(eq(tokens.orgId, orgId), eq(tokens.memberId, id))),
  ])
}

/** With the tokens that the member has signed in for. */
export const deleteMember = async (db: D1Database, orgId: string, id: string, event: OrgEvent): Promise<void> => {
  await writeWithEvent(db, orgId, event, (database) => [
    database.delete(tokens).where(and(eq(tokens.orgId, orgId), eq(tokens.memberId, id))),
    database.delete(members).where(and(eq(members.orgId, orgId), eq(members.id, id))),
  ])
}
