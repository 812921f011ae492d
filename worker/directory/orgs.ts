import { drizzle } from 'drizzle-orm/d1'
import type { NewApiToken } from './tokens.ts'
import { toTokenRow } from './tokens.ts'
import { orgAudit, orgs, plane, tokens } from './schema.ts'

export const isSetUp = async (db: D1Database): Promise<boolean> => (await drizzle(db).select().from(plane)).length > 0

/** Makes the first org and its owner token in one transaction. Answers false when the plane was set up before. */
export const setUpPlane = async (
  db: D1Database,
  org: { readonly id: string; readonly name: string },
  token: NewApiToken,
): Promise<boolean> => {
  const database = drizzle(db)
  try {
    await database.batch([
      database.insert(plane).values({ onlyRow: 1, setUpAt: token.createdAtMs }),
      database.insert(orgs).values({ id: org.id, name: org.name, createdAt: token.createdAtMs }),
      database.insert(tokens).values(toTokenRow(org.id, token)),
    ])
    return true
  } catch (error) {
    if (await isSetUp(db)) return false
    throw error
  }
}

/** Writes down what was done to an org that is not one mesh's. */
export const writeOrgAudit = async (
  db: D1Database,
  event: Omit<typeof orgAudit.$inferInsert, 'number'>,
): Promise<void> => {
  await drizzle(db).insert(orgAudit).values(event)
}
