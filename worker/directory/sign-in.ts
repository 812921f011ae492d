import { and, desc, eq, isNotNull, lt, notInArray, or } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import type { Token } from '#api/schemas/tokens.ts'
import type { BrowserSession } from '../app-env.ts'
import { writeWithEvent } from './org-audit.ts'
import type { OrgEvent } from './org-audit.ts'
import type { KnownMember } from './members.ts'
import { members, orgs, signInProviders, tokens } from './schema.ts'
import { findToken, toTokenRow } from './tokens.ts'

export type StoredProvider = typeof signInProviders.$inferSelect

export const findProvider = async (db: D1Database, orgId: string): Promise<StoredProvider | undefined> => {
  const [row] = await drizzle(db).select().from(signInProviders).where(eq(signInProviders.orgId, orgId))
  return row
}

export const readOrgName = async (db: D1Database, orgId: string): Promise<string> => {
  const [row] = await drizzle(db).select({ name: orgs.name }).from(orgs).where(eq(orgs.id, orgId))
  return row?.name ?? ''
}

/** Of the org of this name, for who has no token yet. */
export const findProviderByOrgName = async (db: D1Database, name: string): Promise<StoredProvider | undefined> => {
  const [row] = await drizzle(db)
    .select()
    .from(signInProviders)
    .innerJoin(orgs, eq(orgs.id, signInProviders.orgId))
    .where(eq(orgs.name, name))
  return row?.sign_in_providers
}

/** Whom another issuer calls so is somebody else: who signed in with the one before is bound to nothing, and has no tokens. */
export const storeProvider = async (db: D1Database, provider: StoredProvider, event: OrgEvent): Promise<void> => {
  const { orgId, ...rest } = provider
  const before = await findProvider(db, orgId)
  await writeWithEvent(db, orgId, event, (database) => [
    database.insert(signInProviders).values(provider).onConflictDoUpdate({ target: signInProviders.orgId, set: rest }),
    ...(before && before.issuer !== provider.issuer
      ? [
          database.update(members).set({ subject: null }).where(eq(members.orgId, orgId)),
          database.delete(tokens).where(and(eq(tokens.orgId, orgId), isNotNull(tokens.memberId))),
        ]
      : []),
  ])
}

/** The same secret, sealed anew. */
export const replaceClientSecret = async (
  db: D1Database,
  orgId: string,
  before: string,
  clientSecret: string,
): Promise<void> => {
  await drizzle(db)
    .update(signInProviders)
    .set({ clientSecret })
    .where(and(eq(signInProviders.orgId, orgId), eq(signInProviders.clientSecret, before)))
}

/** With the tokens that members have signed in for. */
export const deleteProvider = async (db: D1Database, orgId: string, event: OrgEvent): Promise<void> => {
  await writeWithEvent(db, orgId, event, (database) => [
    database.update(members).set({ subject: null }).where(eq(members.orgId, orgId)),
    database.delete(tokens).where(and(eq(tokens.orgId, orgId), isNotNull(tokens.memberId))),
    database.delete(signInProviders).where(eq(signInProviders.orgId, orgId)),
  ])
}

export interface SignedIn {
  readonly id: string
  readonly secretHash: string
  readonly createdAtMs: number
  readonly expiresAtMs: number
  readonly session?: Pick<BrowserSession, 'origin' | 'idleExpiresAtMs'>
}

/** Browsers in which one member is signed in; with one more, the oldest is signed out. */
export const MAX_SESSIONS = 20

/** The token of a sign-in. Undefined = there is a token of this id: the sign-in was redeemed before. */
export const insertSignIn = async (
  db: D1Database,
  orgId: string,
  { id: memberId, email, role, scopes }: KnownMember,
  token: SignedIn,
  event: OrgEvent,
): Promise<Token | undefined> => {
  if (await findToken(db, orgId, token.id)) return undefined
  const name = `sign-in of ${email}`
  const row = toTokenRow(orgId, { ...token, name, role, scopes, memberId, client: event.by.client })
  const isSession = and(eq(tokens.memberId, memberId), isNotNull(tokens.sessionOrigin))
  await writeWithEvent(db, orgId, event, (database) => [
    database
      .delete(tokens)
      .where(
        and(
          eq(tokens.memberId, memberId),
          or(lt(tokens.expiresAt, token.createdAtMs), lt(tokens.idleExpiresAt, token.createdAtMs)),
        ),
      ),
    database.insert(tokens).values(row),
    database
      .delete(tokens)
      .where(
        and(
          isSession,
          notInArray(
            tokens.id,
            database
              .select({ id: tokens.id })
              .from(tokens)
              .where(isSession)
              .orderBy(desc(tokens.createdAt), desc(tokens.id))
              .limit(MAX_SESSIONS),
          ),
        ),
      ),
    database.update(members).set({ lastSignInAt: token.createdAtMs }).where(eq(members.id, memberId)),
  ])
  return findToken(db, orgId, token.id)
}
