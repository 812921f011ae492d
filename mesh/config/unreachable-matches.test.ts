import { expect, test } from 'vitest'
import { pathsOfProblems } from '#test/kinds/problems-of-spec.ts'

const route = [{ destination: { host: 'reviews' } }]
const second = 'warning spec.http[1].match[0]'

test.each<[string, object, object, string[]]>([
  ['the same', { uri: { exact: '/a' } }, { uri: { exact: '/a' } }, [second]],
  ['a longer prefix', { uri: { prefix: '/a' } }, { uri: { prefix: '/ab' } }, [second]],
  ['a path below a prefix', { uri: { prefix: '/a' } }, { uri: { exact: '/a/b' } }, [second]],
  ['anything after the prefix of all', { uri: { prefix: '/' } }, { method: { exact: 'GET' } }, [second]],
  ['more conditions', { uri: { prefix: '/a' } }, { uri: { prefix: '/a' }, headers: { x: { exact: '1' } } }, [second]],
  ['a value where any will do', { headers: { x: {} } }, { headers: { x: { regex: 'a' } } }, [second]],
  ['more labels', { sourceLabels: { a: 'b' } }, { sourceLabels: { a: 'b', c: 'd' } }, [second]],
  ['a gateway among several', { gateways: ['mesh', 'a/b'] }, { gateways: ['mesh'] }, [second]],
  ['a shorter prefix', { uri: { prefix: '/ab' } }, { uri: { prefix: '/a' } }, []],
  ['another path', { uri: { exact: '/a' } }, { uri: { exact: '/b' } }, []],
  ['fewer conditions', { uri: { prefix: '/a' }, port: 80 }, { uri: { prefix: '/a' } }, []],
  ['another header', { headers: { x: {} } }, { headers: { y: {} } }, []],
  ['what the first goes without', { withoutHeaders: { x: {} } }, {}, []],
  ['another case', { uri: { prefix: '/a' } }, { uri: { prefix: '/a' }, ignoreUriCase: true }, []],
  ['another expression', { uri: { regex: '/a.*' } }, { uri: { exact: '/ab' } }, []],
  ['another namespace', { sourceNamespace: 'a' }, { sourceNamespace: 'b' }, []],
])('%s', (_, first, other, expected) => {
  const http = [
    { match: [first], route },
    { match: [other], route },
  ]
  expect(pathsOfProblems('VirtualService', { hosts: ['reviews'], http })).toEqual(expected)
})

test('a delegate leaves to the next what it has no route for', () => {
  const match = [{ uri: { prefix: '/a' } }]
  const http = [
    { match, delegate: { name: 'a' } },
    { match, route },
  ]
  expect(pathsOfProblems('VirtualService', { hosts: ['reviews'], http })).toEqual([])
})
