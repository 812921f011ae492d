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

test.each<[string, object, object, boolean]>([
  ['the same port', { port: 80 }, { port: 80 }, true],
  ['another port', { port: 80 }, { port: 81 }, false],
  ['any port', { port: 80 }, {}, false],
  [
    'some of the addresses',
    { destinationSubnets: ['10.0.0.0/8', '11.0.0.0/8'] },
    { destinationSubnets: ['10.0.0.0/8'] },
    true,
  ],
  ['other addresses', { destinationSubnets: ['10.0.0.0/8'] }, { destinationSubnets: ['11.0.0.0/8'] }, false],
  ['more labels', { sourceLabels: { a: 'b' } }, { sourceLabels: { a: 'b', c: 'd' } }, true],
])('connections: %s', (_, first, other, isTaken) => {
  const tcp = [first, other].map((each) => ({ match: [each], route }))
  const tls = [first, other].map((each) => ({ match: [{ ...each, sniHosts: ['a.org'] }], route }))
  expect(pathsOfProblems('VirtualService', { hosts: ['a.org'], tcp, tls })).toEqual(
    isTaken ? ['warning spec.tls[1].match[0]', 'warning spec.tcp[1].match[0]'] : [],
  )
})

test.each<[string, object, object, boolean]>([
  ['the same name', { sniHosts: ['x.a.org'] }, { sniHosts: ['X.a.org'] }, true],
  ['one of several names', { sniHosts: ['x.a.org', 'y.a.org'] }, { sniHosts: ['y.a.org'] }, true],
  ['one of several wildcards', { sniHosts: ['*.a.org', '*.x.a.org'] }, { sniHosts: ['*.x.a.org'] }, true],
  ['another name', { sniHosts: ['x.a.org'] }, { sniHosts: ['y.a.org'] }, false],
  ['a wildcard after a name', { sniHosts: ['x.a.org'] }, { sniHosts: ['*.a.org'] }, false],
  ['a name within a wildcard', { sniHosts: ['*.a.org'] }, { sniHosts: ['x.a.org'] }, false],
  ['a wildcard within a wildcard', { sniHosts: ['*.a.org'] }, { sniHosts: ['*.x.a.org'] }, false],
  ['more names', { sniHosts: ['x.a.org'] }, { sniHosts: ['x.a.org', 'y.a.org'] }, false],
  [
    'some addresses after all',
    { sniHosts: ['x.a.org'] },
    { sniHosts: ['x.a.org'], destinationSubnets: ['10.0.0.0/8'] },
    false,
  ],
])('TLS: %s', (_, first, other, isTaken) => {
  const tls = [first, other].map((match) => ({ match: [match], route }))
  expect(pathsOfProblems('VirtualService', { hosts: ['*.a.org'], tls })).toEqual(
    isTaken ? ['warning spec.tls[1].match[0]'] : [],
  )
})

test('connections to some addresses, after those to all', () => {
  const tcp = [{}, { destinationSubnets: ['10.0.0.0/8'] }].map((match) => ({ match: [match], route }))
  expect(pathsOfProblems('VirtualService', { hosts: ['a.org'], tcp })).toEqual(['warning spec.tcp[1].match[0]'])
})

test('a delegate leaves to the next what it has no route for', () => {
  const match = [{ uri: { prefix: '/a' } }]
  const http = [
    { match, delegate: { name: 'a' } },
    { match, route },
  ]
  expect(pathsOfProblems('VirtualService', { hosts: ['reviews'], http })).toEqual([])
})
