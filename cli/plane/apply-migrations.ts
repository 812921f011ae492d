import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What is needed of a D1 database. */
interface Database {
  prepare(statement: string): Statement
  batch(statements: Statement[]): Promise<unknown>
}
interface Statement {
  bind(...values: string[]): Statement
  all(): Promise<{ results: Record<string, unknown>[] }>
}

/** The same table as wrangler's, so that either may apply the next migration. */
const TABLE = 'd1_migrations'

/** A newer version has changed the database. */
export class NewerDatabaseError extends Error {
  override readonly name = 'NewerDatabaseError'
}

/**
 * Applies the migrations that the database does not have yet, in order, each in one transaction; answers their names.
 *
 * @throws NewerDatabaseError when the database has some that are not in the folder; nothing is changed then
 */
export const applyMigrations = async (database: Database, folder: string): Promise<string[]> => {
  await database.batch([
    database.prepare(
      `CREATE TABLE IF NOT EXISTS ${TABLE} (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)`,
    ),
  ])
  const { results } = await database.prepare(`SELECT name FROM ${TABLE}`).all()
  const applied = new Set(results.map(({ name }) => name))
  const known = readdirSync(folder).filter((name) => name.endsWith('.sql'))
  const unknown = [...applied].filter((name) => !known.includes(String(name)))
  if (unknown.length > 0)
    throw new NewerDatabaseError(`a newer version has changed the database: ${unknown.join(', ')}`)
  const names = known.filter((name) => !applied.has(name)).toSorted()
  for (const name of names) {
    const statements = readFileSync(join(folder, name), 'utf8')
      .split('--> statement-breakpoint')
      .map((statement) => statement.trim())
      .filter((statement) => statement !== '')
    await database.batch([
      ...statements.map((statement) => database.prepare(statement)),
      database.prepare(`INSERT INTO ${TABLE} (name) VALUES (?)`).bind(name),
    ])
  }
  return names
}
