import { drizzle } from 'drizzle-orm/d1'
import type { NewApiToken } from './tokens.ts'
import { toTokenRow } from './tokens.ts'
import { toAuditWrites } from './org-audit.ts'
import type { OrgEvent } from './org-audit.ts'
import { orgs, plane, tokens } from './schema.ts'

export const isSetUp = async (db: D1Database): Promise<boolean> => (await drizzle(db).select().from(plane)).length > 0

/** Makes the first org and its owner token in one transaction. Answers false when the plane was set up before. */
export const setUpPlane = async (
  db: D1Database,
  org: { readonly id: string; readonly name: string },
  token: NewApiToken,
  event: OrgEvent,
): Promise<boolean> => {
  const database = drizzle(db)
  try {
    await database.batch([
      database.insert(plane).values({ onlyRow: 1, setUpAt: token.createdAtMs }),
      database.insert(orgs).values({ id: org.id, name: org.name, createdAt: token.createdAtMs }),
      database.insert(tokens).values(toTokenRow(org.id, token)),
      ...toAuditWrites(database, org.id, event),
    ])
    return true
  } catch (error) {
    if (await isSetUp(db)) return false
    throw error
  }
}
