import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { World } from '#test/harness/world.ts'

const migrationOfTomorrow = '9999_of_tomorrow.sql'

/** Runs a statement in the one database of a folder of a plane that is stopped. */
const inDatabase = <T>(world: World, folder: string, use: (database: DatabaseSync) => T): T => {
  const path = join(world.planeData, 'state', folder)
  const [name = ''] = readdirSync(path).filter((file) => /^[0-9a-f]+\.sqlite$/.test(file))
  const database = new DatabaseSync(join(path, name))
  try {
    return use(database)
  } finally {
    database.close()
  }
}

/** The version of the mesh's schema. */
export const readMeshSchema = (world: World): number =>
  inDatabase(world, 'do/atoll-Mesh', (database) =>
    Number(database.prepare('SELECT version FROM schema_version').get()?.['version']),
  )

/** Makes the mesh one that a newer plane has written. */
export const writeMeshSchema = (world: World, version: number): void =>
  inDatabase(world, 'do/atoll-Mesh', (database) => {
    database.prepare('UPDATE schema_version SET version = ?').run(version)
  })

/** The migrations that the plane's own database has. */
export const readMigrations = (world: World): unknown[] =>
  inDatabase(world, 'd1/miniflare-D1DatabaseObject', (database) =>
    database
      .prepare('SELECT name FROM d1_migrations ORDER BY name')
      .all()
      .map(({ name }) => name),
  )

/** Makes the database one that a newer plane has changed, or takes that back. */
export const setMigratedTomorrow = (world: World, isMigrated: boolean): void =>
  inDatabase(world, 'd1/miniflare-D1DatabaseObject', (database) => {
    const statement = isMigrated
      ? 'INSERT INTO d1_migrations (name) VALUES (?)'
      : 'DELETE FROM d1_migrations WHERE name = ?'
    database.prepare(statement).run(migrationOfTomorrow)
  })
