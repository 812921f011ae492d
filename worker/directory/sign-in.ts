import { and, desc, eq, isNotNull, isNull, lt, notInArray, or } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import { AtollError } from '#api/atoll-error.ts'
import type { Token } from '#api/schemas/tokens.ts'
import type { BrowserSession } from '../app-env.ts'
import { planeInitiator } from '../mesh/audit.ts'
import { writeWithEvent } from './org-audit.ts'
import type { OrgEvent } from './org-audit.ts'
import type { IdentifiedMember } from './members.ts'
import { members, orgs, signInProviders, tokens } from './schema.ts'
import { toScopes, toToken, toTokenRow } from './tokens.ts'
import type { TokenRow } from './tokens.ts'

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
  await writeWithEvent(db, orgId, event, async (database) => {
    const before = await findProvider(db, orgId)
    return [
      database
        .insert(signInProviders)
        .values(provider)
        .onConflictDoUpdate({ target: signInProviders.orgId, set: rest }),
      ...(before && before.issuer !== provider.issuer ? toUnbound(database, orgId) : []),
    ]
  })
}

/** The same secret, sealed anew; `kekId` names the key-encryption key that it is sealed with now. */
export const replaceClientSecret = async (
  db: D1Database,
  orgId: string,
  before: string,
  { clientSecret, kekId }: { readonly clientSecret: string; readonly kekId: string },
): Promise<void> => {
  const facts = { action: 'key.reseal', target: 'client secret of the identity provider', detail: { with: kekId } }
  const isSame = and(eq(signInProviders.orgId, orgId), eq(signInProviders.clientSecret, before))
  await writeWithEvent(db, orgId, { at: Date.now(), by: planeInitiator, facts }, async (database) => {
    if ((await database.select().from(signInProviders).where(isSame)).length === 0)
      throw new AtollError('conflict', 'the identity provider was set anew meanwhile')
    return [database.update(signInProviders).set({ clientSecret }).where(isSame)]
  })
}

/** With the tokens that members have signed in for. */
export const deleteProvider = async (db: D1Database, orgId: string, event: OrgEvent): Promise<void> => {
  await writeWithEvent(db, orgId, event, (database) => [
    ...toUnbound(database, orgId),
    database.delete(signInProviders).where(eq(signInProviders.orgId, orgId)),
  ])
}

/** Nobody is whom the provider has vouched for so far, and what they have signed in for ends. */
const toUnbound = (database: DrizzleD1Database, orgId: string) => [
  database.update(members).set({ subject: null }).where(eq(members.orgId, orgId)),
  database.delete(tokens).where(and(eq(tokens.orgId, orgId), isNotNull(tokens.memberId))),
]

export interface SignedIn {
  readonly id: string
  readonly secretHash: string
  readonly createdAtMs: number
  readonly expiresAtMs: number
  readonly session?: Pick<BrowserSession, 'origin' | 'idleExpiresAtMs'>
}

/** Browsers in which one member is signed in, and command lines; with one more, the oldest of its kind is signed out. */
export const MAX_SESSIONS = 20

/**
 * The token of a sign-in, with the power that the member has when it is written. Throws AtollError `sign_in_refused` when the member is not there any
 * more or the provider has not said that it is them since the org has another one, and when there is a token of this id: the sign-in was redeemed before.
 */
export const insertSignIn = async (
  db: D1Database,
  orgId: string,
  member: IdentifiedMember,
  token: SignedIn,
  event: OrgEvent,
): Promise<Token> => {
  const isOfKind = and(
    eq(tokens.memberId, member.id),
    token.session ? isNotNull(tokens.sessionOrigin) : isNull(tokens.sessionOrigin),
  )
  const isOver = or(lt(tokens.expiresAt, token.createdAtMs), lt(tokens.idleExpiresAt, token.createdAtMs))
  let row: TokenRow | undefined
  await writeWithEvent(db, orgId, event, async (database) => {
    row = await toSignInRow(database, orgId, member, token, event)
    const newest = database
      .select({ id: tokens.id })
      .from(tokens)
      .where(isOfKind)
      .orderBy(desc(tokens.createdAt), desc(tokens.id))
      .limit(MAX_SESSIONS)
    return [
      database.delete(tokens).where(and(eq(tokens.memberId, member.id), isOver)),
      database.insert(tokens).values(row),
      database.delete(tokens).where(and(isOfKind, notInArray(tokens.id, newest))),
      database.update(members).set({ lastSignInAt: token.createdAtMs }).where(eq(members.id, member.id)),
    ]
  })
  if (!row) throw new Error('the sign-in was not written')
  return toToken(row)
}

const toSignInRow = async (
  database: DrizzleD1Database,
  orgId: string,
  { id: memberId, email, subject }: IdentifiedMember,
  token: SignedIn,
  event: OrgEvent,
): Promise<TokenRow> => {
  const isNow = and(eq(members.orgId, orgId), eq(members.id, memberId), eq(members.subject, subject))
  const [known] = await database.select().from(members).where(isNow)
  if (!known)
    throw new AtollError('sign_in_refused', 'the member has been removed, or signs in with another provider now')
  const [redeemed] = await database.select({ id: tokens.id }).from(tokens).where(eq(tokens.id, token.id))
  if (redeemed) throw new AtollError('sign_in_refused', 'the code has been redeemed before')
  const power = { role: known.role, scopes: toScopes(known) }
  return toTokenRow(orgId, { ...token, ...power, name: `sign-in of ${email}`, memberId, client: event.by.client })
}
