import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { SealedSnapshot } from '#agent/store/sealed-snapshot.ts'
import { loadSealingKey } from '#agent/store/sealing-key.ts'
import { temporaryDirectory } from '../temporary-directory.ts'

const openSnapshot = (directory: string, { name = 'things', schema = z.string() } = {}) => {
  const reports: string[] = []
  const path = join(directory, 'things.snapshot')
  const key = loadSealingKey(join(directory, 'sealing.key'), true)
  return {
    snapshot: new SealedSnapshot({ path, name, key, schema, report: (text) => reports.push(text) }),
    reports,
    path,
  }
}

/** Several parts. */
const many = Array.from({ length: 20 }, (_, number) => `${number} ${'x'.repeat(50_000)}`)

test('what was saved last is loaded, and is readable by nobody else', async () => {
  const directory = temporaryDirectory()
  const { snapshot, path } = openSnapshot(directory)
  expect(snapshot.load()).toBeUndefined()
  await snapshot.save({ savedAt: 1, items: ['secret words'] })
  await snapshot.save({ savedAt: 2, items: many })
  expect(openSnapshot(directory).snapshot.load()).toEqual({ savedAt: 2, items: many })
  await snapshot.save({ savedAt: 3, items: [] })
  expect(openSnapshot(directory).snapshot.load()).toEqual({ savedAt: 3, items: [] })
  await snapshot.save({ savedAt: 4, items: ['secret words'] })
  expect(readFileSync(path).includes('secret')).toBe(false)
  expect(existsSync(`${path}.tmp`)).toBe(false)
})

test('one that is damaged, cut off, of another name or not understood is none, and reported', async () => {
  const directory = temporaryDirectory()
  const { snapshot, path } = openSnapshot(directory)
  await snapshot.save({ savedAt: 1, items: many })
  const whole = readFileSync(path)
  const loads = (open = openSnapshot(directory)) => [open.snapshot.load()?.items.length, open.reports.length]
  writeFileSync(path, Buffer.concat([whole.subarray(0, 1000), Buffer.from('x'), whole.subarray(1001)]))
  expect(loads()).toEqual([undefined, 1])
  writeFileSync(path, whole)
  truncateSync(path, whole.length - 1)
  expect(loads()).toEqual([undefined, 1])
  writeFileSync(path, whole)
  expect(loads(openSnapshot(directory, { name: 'others' }))).toEqual([undefined, 1])
  writeFileSync(path, whole)
  expect(loads(openSnapshot(directory, { schema: z.string().max(10) }))).toEqual([undefined, 1])
  writeFileSync(path, whole)
  expect(loads()).toEqual([many.length, 0])
})

test('a disk that takes nothing is reported, and leaves what was there', async () => {
  const directory = temporaryDirectory()
  const { snapshot, path } = openSnapshot(directory)
  await snapshot.save({ savedAt: 1, items: ['old'] })
  const failing = {
    *[Symbol.iterator]() {
      yield 'new'
      throw new Error('no more')
    },
  }
  const other = openSnapshot(directory)
  await other.snapshot.save({ savedAt: 2, items: failing })
  expect(other.reports).toEqual([`${path} can't be written: no more`])
  expect(snapshot.load()).toEqual({ savedAt: 1, items: ['old'] })
})
