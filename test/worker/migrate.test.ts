import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { migrate } from '#worker/mesh/migrate.ts'
import { migrations } from '#worker/mesh/migrations.ts'

let objects = 0

/** Runs a body over the storage of an object that was emptied. */
const withStorage = <T>(body: (storage: DurableObjectStorage) => Promise<T> | T): Promise<T> =>
  runInDurableObject(env.MESH.get(env.MESH.idFromName(`migrate-${(objects += 1)}`)), async (_instance, { storage }) => {
    await storage.deleteAll()
    return body(storage)
  })

const tablesOf = ({ sql }: DurableObjectStorage): string[] =>
  sql
    .exec<{ name: string }>(
      `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\' ORDER BY name`,
    )
    .toArray()
    .map(({ name }) => name)
    .filter((name) => !name.startsWith('sqlite_'))

describe('migrating', () => {
  const first = 'CREATE TABLE one (a INTEGER); INSERT INTO one VALUES (1);'
  const second = 'ALTER TABLE one ADD COLUMN b INTEGER NOT NULL DEFAULT 7;'

  test('brings every older version to the newest, with what it holds', async () => {
    for (let older = 0; older <= 2; older += 1) {
      await withStorage((storage) => {
        migrate(storage, [first, second].slice(0, older))
        migrate(storage, [first, second])
        migrate(storage, [first, second])
        expect(storage.sql.exec('SELECT a, b FROM one').toArray()).toEqual([{ a: 1, b: 7 }])
      })
    }
  })

  test('that fails half-way leaves the version before', async () => {
    await withStorage((storage) => {
      migrate(storage, [first])
      expect(() => migrate(storage, [first, `${second} CREATE TABLE one (a INTEGER);`])).toThrow('one')
      expect(storage.sql.exec('SELECT * FROM one').toArray()).toEqual([{ a: 1 }])
      migrate(storage, [first, second])
      expect(storage.sql.exec('SELECT b FROM one').toArray()).toEqual([{ b: 7 }])
    })
  })

  test('refuses what newer code has written', async () => {
    await withStorage((storage) => {
      migrate(storage, [first, second])
      expect(() => migrate(storage, [first])).toThrow('version 2')
    })
  })

  test('makes the same schema from each version of the mesh', async () => {
    const whole = await withStorage((storage) => {
      migrate(storage, migrations)
      return tablesOf(storage)
    })
    expect(whole).toContain('state')
    for (let older = 1; older < migrations.length; older += 1) {
      await withStorage((storage) => {
        migrate(storage, migrations.slice(0, older))
        migrate(storage, migrations)
        expect(tablesOf(storage)).toEqual(whole)
      })
    }
  })
})
