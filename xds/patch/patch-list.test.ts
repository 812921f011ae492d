import { expect, test } from 'vitest'
import { patchList, type ListPatch } from './patch-list.ts'

type Operation = ListPatch<string>['operation']

test.each<[Operation, string | undefined, string]>([
  ['ADD', undefined, 'a b b n'],
  ['INSERT_FIRST', undefined, 'n a b b'],
  ['INSERT_BEFORE', undefined, 'n a b b'],
  ['INSERT_AFTER', undefined, 'a b b n'],
  ['REPLACE', undefined, 'a b b'],
  ['REMOVE', undefined, 'a b b'],
  ['ADD', 'b', 'a b b n'],
  ['INSERT_FIRST', 'b', 'n a b b'],
  ['INSERT_BEFORE', 'b', 'a n b b'],
  ['INSERT_AFTER', 'b', 'a b n b'],
  ['REPLACE', 'b', 'a n b'],
  ['REMOVE', 'b', 'a'],
  ['INSERT_BEFORE', 'z', 'a b b'],
  ['INSERT_AFTER', 'z', 'a b b'],
  ['REPLACE', 'z', 'a b b'],
  ['REMOVE', 'z', 'a b b'],
  ['MERGE', 'b', 'a b b'],
])('%s of "n" at %s gives %s', (operation, name, expected) => {
  const selects = name === undefined ? undefined : (item: string) => item === name
  expect(patchList(['a', 'b', 'b'], { operation, make: () => 'n', selects }).join(' ')).toBe(expected)
})
