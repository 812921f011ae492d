import { expect, test } from 'vitest'
import { ResourceSet, type ResourceUpdate } from './resource-set.ts'
import { typeUrls } from './type-url.ts'

const put = (name: string, version: string): ResourceUpdate => ({
  type: typeUrls.cluster,
  name,
  resource: { name, version, body: new Uint8Array() },
})
const remove = (name: string): ResourceUpdate => ({ type: typeUrls.cluster, name, resource: null })

const names = (set: ResourceSet, since: number) => set.changesSince(typeUrls.cluster, since)

test('a generation counts only what differed', () => {
  const set = new ResourceSet('s')
  expect(set.apply([put('a', '1'), put('b', '1')])).toHaveLength(2)
  expect(set.apply([put('a', '1'), remove('nothing')])).toEqual([])
  expect(set.generation).toBe(1)
  expect(set.apply([put('a', '2')])).toHaveLength(1)
  expect(set.generation).toBe(2)
})

test('a subscriber is told what changed since its generation, in order of change, removals included', () => {
  const set = new ResourceSet('s')
  set.apply([put('a', '1'), put('b', '1'), put('c', '1')])
  set.apply([put('a', '2')])
  set.apply([remove('b')])
  expect(names(set, 0)).toEqual(['c', 'a', 'b'])
  expect(names(set, 1)).toEqual(['a', 'b'])
  expect(names(set, 2)).toEqual(['b'])
  expect(names(set, 3)).toEqual([])
  expect(set.get(typeUrls.cluster, 'b')).toBeUndefined()
})

test('types change apart from each other', () => {
  const set = new ResourceSet('s')
  set.apply([put('a', '1')])
  set.apply([{ ...put('a', '1'), type: typeUrls.endpoint }])
  expect(set.lastChange(typeUrls.cluster)).toBe(1)
  expect(set.lastChange(typeUrls.endpoint)).toBe(2)
  expect(set.lastChange(typeUrls.listener)).toBe(0)
  expect(names(set, 1)).toEqual([])
})

test('forgetting drops tombstones that were served and nothing else', () => {
  const set = new ResourceSet('s')
  set.apply([put('a', '1'), put('b', '1'), put('c', '1')])
  set.apply([remove('a')])
  set.apply([remove('b')])
  set.forgetBefore(2)
  expect(names(set, 0)).toEqual(['c', 'b'])
})

test('a name that changes for ever is told once', () => {
  const set = new ResourceSet('s')
  set.apply([put('stays', '1')])
  for (let version = 1; version <= 1000; version++) set.apply([put('flaps', String(version))])
  expect(names(set, 0)).toEqual(['stays', 'flaps'])
  expect(names(set, 500)).toEqual(['flaps'])
  expect(set.lastChange(typeUrls.cluster)).toBe(1001)
})
