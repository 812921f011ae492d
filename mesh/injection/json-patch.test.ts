import { expect, it } from 'vitest'
import { toJsonPatch } from './json-patch.ts'

it('says what makes one object into another', () => {
  expect(
    toJsonPatch(
      { same: { a: 1 }, list: [1], gone: true, labels: { 'a/b~c': 'x' } },
      { same: { a: 1 }, list: [0, 1], labels: { 'a/b~c': 'y', new: '' } },
    ),
  ).toEqual([
    { op: 'remove', path: '/gone' },
    { op: 'replace', path: '/list', value: [0, 1] },
    { op: 'replace', path: '/labels/a~1b~0c', value: 'y' },
    { op: 'add', path: '/labels/new', value: '' },
  ])
})

it('says nothing of what is the same', () => {
  expect(toJsonPatch({ a: [{ b: null }] }, { a: [{ b: null }] })).toEqual([])
})
