import { expect, test } from 'vitest'
import { toObjectKey } from '../config-object.ts'
import { maxKeySources, selectKeySources, type NamedKeySource } from './key-source.ts'

const source = (url: string, ...namespaces: readonly string[]): NamedKeySource => ({
  url,
  timeoutMilliseconds: 1,
  objects: namespaces.map((namespace) => toObjectKey('RequestAuthentication', namespace, 'a')),
})
const many = (namespace: string, length: number) =>
  Array.from({ length }, (_, index) => source(`https://a${index}.${namespace}`, namespace))

test('who names very many places keeps nobody out of another namespace', () => {
  const others = [source('https://z.shop', 'shop'), source('https://y.shop', 'shop'), source('https://z.bank', 'bank')]
  const selected = selectKeySources([...many('crowd', 1000), ...others])
  expect(selected).toHaveLength(maxKeySources)
  for (const each of others) expect(selected.slice(0, 5)).toContain(each)
})

test('a place that several namespaces name is one, and takes nobody’s turn', () => {
  const shared = source('https://a.idp', 'bank', 'crowd', 'shop')
  const own = source('https://b.shop', 'shop')
  expect(selectKeySources([own, shared])).toEqual([shared, own])
  expect(selectKeySources([])).toEqual([])
})
