import { runInDurableObject } from 'cloudflare:test'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { clusterName } from '#mesh/names.ts'
import type { StateItem } from '#mesh/state.ts'
import { isOfferedTo } from '#mesh/visibility.ts'
import {
  applyNamespaces,
  pruneTombstones,
  readChanges,
  readSharedChanges,
  removeState,
  writeState,
} from '#worker/mesh/state-log.ts'
import type { Audience, Interest } from '#worker/mesh/state-log.ts'
import { readMeshRow } from '#worker/mesh/mesh-row.ts'
import { createTestMesh } from './support/test-plane.ts'
import { toTestEntry } from './support/test-catalog.ts'

/** Runs a body over the SQLite of a mesh whose state log is empty. */
const withLog = async <T>(body: (sql: SqlStorage) => T): Promise<T> => {
  const { stub } = await createTestMesh()
  return runInDurableObject(stub, (_instance, state) => body(state.storage.sql))
}

const clusters = ['a1', 'a2', 'b1'] as const
const networks = { a1: 'net-a', a2: 'net-a', b1: 'net-b' } as const
const namespaces = ['blue', 'red'] as const

type Step =
  | { readonly kind: 'write'; readonly key: string; readonly value: number; readonly audience: Audience }
  | { readonly kind: 'remove'; readonly key: string }
  | { readonly kind: 'namespaces'; readonly cluster: (typeof clusters)[number]; readonly names: readonly string[] }
  | { readonly kind: 'read'; readonly session: number }
  | { readonly kind: 'prune' }

const arbitraryAudience: fc.Arbitrary<Audience> = fc.oneof(
  fc.constant({ to: 'all' } as const),
  fc.constantFrom(...clusters).map((cluster) => ({ to: 'cluster', cluster }) as const),
  fc
    .tuple(
      fc.constantFrom('network', 'other-networks'),
      fc.constantFrom(...clusters),
      fc.constantFrom('*', ...namespaces),
    )
    .map(
      ([to, cluster, exported]) =>
        ({
          to,
          cluster,
          network: networks[cluster],
          service: { namespace: 'x', exportTo: [exported], source: 'service', location: 'mesh-internal' },
        }) as const,
    ),
)

const arbitraryKey = fc.constantFrom('k1', 'k2', 'k3', 'k4')

const arbitraryStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      key: arbitraryKey,
      value: fc.nat(3),
      audience: arbitraryAudience,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), key: arbitraryKey }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('namespaces' as const),
      cluster: fc.constantFrom(...clusters),
      names: fc.subarray([...namespaces]),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('read' as const), session: fc.nat(clusters.length - 1) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'prune' as const }) },
)

const toItem = (value: number): StateItem => ({
  kind: 'catalog',
  cluster: clusterName.parse('a1'),
  value: toTestEntry({ cluster: 'a1', network: 'net-a', name: 'reviews', endpoints: value }),
})

const isFor = (audience: Audience, interest: Interest): boolean => {
  if (audience.to === 'all') return true
  if (audience.to === 'cluster') return audience.cluster === interest.cluster
  const isReached =
    audience.cluster !== interest.cluster && (audience.to === 'network') === (audience.network === interest.network)
  return isReached && isOfferedTo(audience.service, interest)
}

/** A session as an agent keeps it: its place, and what it was told. */
class Reader {
  interest: Interest
  readonly known = new Map<string, unknown>()
  #position = 0

  constructor(cluster: (typeof clusters)[number]) {
    this.interest = { cluster, network: networks[cluster], namespaces: new Set() }
  }

  read(sql: SqlStorage): void {
    const { sequence, horizon } = readMeshRow(sql)
    const since = this.#position < horizon ? 0 : this.#position
    if (since === 0) this.known.clear()
    const shared = readSharedChanges(sql, since)(this.interest)
    const texts = [...readChanges(sql, since, this.interest)]
    if ([...shared].join() !== texts.join()) throw new Error('the shared reading differs from the single one')
    for (const text of texts) {
      const { key, item } = JSON.parse(text) as { key: string; item: unknown }
      if (item === null) this.known.delete(key)
      else this.known.set(key, item)
    }
    this.#position = sequence
  }
}

test('any interleaving of writes, removals, namespaces, readings and pruning ends with every reader in the same state', async () => {
  await withLog((sql) =>
    fc.assert(
      fc.property(fc.array(arbitraryStep, { maxLength: 40 }), (steps) => {
        sql.exec('DELETE FROM state')
        sql.exec('UPDATE mesh SET sequence = 0, horizon = 0')
        const readers = clusters.map((cluster) => new Reader(cluster))
        const model = new Map<string, { readonly value: number; readonly audience: Audience }>()
        for (const step of steps) {
          switch (step.kind) {
            case 'write':
              model.set(step.key, step)
              writeState(sql, [{ key: step.key, item: toItem(step.value), audience: step.audience }])
              break
            case 'remove':
              model.delete(step.key)
              removeState(sql, [step.key])
              break
            case 'namespaces': {
              const reader = readers[clusters.indexOf(step.cluster)]
              if (!reader) break
              const after = { ...reader.interest, namespaces: new Set(step.names) }
              applyNamespaces(sql, reader.interest, after)
              reader.interest = after
              break
            }
            case 'read':
              readers[step.session]?.read(sql)
              break
            case 'prune':
              pruneTombstones(sql, 1)
          }
        }
        for (const reader of readers) {
          reader.read(sql)
          const expected = [...model].filter(([, { audience }]) => isFor(audience, reader.interest))
          expect(Object.fromEntries(reader.known)).toEqual(
            Object.fromEntries(expected.map(([key, { value }]) => [key, toItem(value)])),
          )
        }
      }),
      { numRuns: 300 },
    ),
  )
})

describe('the state log', () => {
  const settings = (value: number) => ({ key: 'k', item: toItem(value), audience: { to: 'all' } as const })

  test('does not move for a write that says nothing new', async () => {
    await withLog((sql) => {
      expect(writeState(sql, [settings(1)])).toBe(true)
      const { sequence } = readMeshRow(sql)
      expect(writeState(sql, [settings(1)])).toBe(false)
      expect(removeState(sql, ['unknown'])).toBe(false)
      expect(readMeshRow(sql).sequence).toBe(sequence)
    })
  })

  test('gives many changes of one commit the same place', async () => {
    await withLog((sql) => {
      const before = readMeshRow(sql).sequence
      writeState(
        sql,
        Array.from({ length: 500 }, (_, index) => ({ ...settings(1), key: `k/${index}` })),
      )
      expect(readMeshRow(sql).sequence).toBe(before + 1)
    })
  })

  test('forgets the older half of its tombstones, and says so by its horizon', async () => {
    await withLog((sql) => {
      for (let index = 0; index < 10; index += 1) {
        writeState(sql, [{ ...settings(1), key: `k/${index}` }])
        removeState(sql, [`k/${index}`])
      }
      pruneTombstones(sql, 8)
      const { tombstones } = sql
        .exec<{ tombstones: number }>('SELECT count(*) AS tombstones FROM state WHERE item IS NULL')
        .one()
      expect(tombstones).toBe(4)
      const { horizon } = readMeshRow(sql)
      const { oldest } = sql
        .exec<{ oldest: number }>('SELECT min(sequence) AS oldest FROM state WHERE item IS NULL')
        .one()
      expect(oldest).toBeGreaterThan(horizon)
    })
  })
})
