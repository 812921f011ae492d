import { makeEndpoint, makeEntry, makeService } from '#test/mesh/records.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Catalog, diffCatalogs, wouldStrip } from './catalog-diff.ts'
import type { CatalogEntry } from './service.ts'

const catalog = (...entries: readonly CatalogEntry[]): Catalog =>
  new Map(entries.map((entry) => [entry.service.key, entry]))
const entry = (name: string, ids: readonly string[]): CatalogEntry =>
  makeEntry(makeService({ hostname: name }), ...ids.map((id) => makeEndpoint(id)))
const ids = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => `e${index}`)

describe('diffCatalogs', () => {
  test('names new, changed and gone entries, sorted', () => {
    const before = catalog(entry('same', ['a']), entry('changed', ['a']), entry('gone', []), entry('away', []))
    const after = catalog(entry('new', []), entry('same', ['a']), entry('changed', ['a', 'b']))
    expect(diffCatalogs(before, after)).toEqual({
      upserts: [entry('changed', ['a', 'b']), entry('new', [])],
      removes: ['default/away', 'default/gone'],
    })
  })

  test('makes one catalog out of another', () => {
    const anyCatalog = fc
      .uniqueArray(fc.record({ name: fc.constantFrom('a', 'b', 'c', 'd'), ids: fc.subarray(['x', 'y']) }), {
        selector: ({ name }) => name,
      })
      .map((entries) => catalog(...entries.map((each) => entry(each.name, each.ids))))
    fc.assert(
      fc.property(anyCatalog, anyCatalog, (before, after) => {
        const { upserts, removes } = diffCatalogs(before, after)
        const result = new Map(before)
        for (const each of upserts) result.set(each.service.key, each)
        for (const key of removes) result.delete(key)
        expect(result).toEqual(after)
        expect(upserts.every((each) => JSON.stringify(before.get(each.service.key)) !== JSON.stringify(each))).toBe(
          true,
        )
      }),
    )
  })
})

describe('wouldStrip', () => {
  test.each([
    [10, 7, false],
    [10, 6, true],
    [100, 70, false],
    [100, 69, true],
    [4, 3, false],
    [4, 2, true],
    [3, 1, false],
    [3, 0, true],
    [2, 1, false],
    [2, 0, true],
    [1, 0, false],
    [0, 0, false],
  ])('%i endpoints of which %i stay: held %s', (total, staying, held) => {
    expect(wouldStrip(catalog(entry('a', ids(total))), catalog(entry('a', ids(staying))))).toEqual({
      held,
      removedEndpoints: total - staying,
      totalEndpoints: total,
    })
  })

  test('counts endpoints over all services, by service and id', () => {
    const before = catalog(entry('a', ids(2)), entry('b', ids(2)))
    expect(wouldStrip(before, catalog(entry('a', ids(2))))).toEqual({
      held: true,
      removedEndpoints: 2,
      totalEndpoints: 4,
    })
    expect(wouldStrip(before, catalog(entry('a', ids(2)), entry('b', ids(5))))).toMatchObject({
      held: false,
      removedEndpoints: 0,
    })
  })

  test('does not count what only changes', () => {
    const after = catalog(
      makeEntry(
        makeService({ hostname: 'a' }),
        ...ids(4).map((id) => makeEndpoint(id, { health: 'unhealthy', address: '10.9.9.9' })),
      ),
    )
    expect(wouldStrip(catalog(entry('a', ids(4))), after)).toMatchObject({ held: false, removedEndpoints: 0 })
  })
})
