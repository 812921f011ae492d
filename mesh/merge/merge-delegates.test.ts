import { expect, test } from 'vitest'
import { mergeHttpMatches } from './merge-http-matches.ts'
import { MeshViewStore } from '../mesh-view-store.ts'
import { toObjectKey } from '../config-object.ts'
import { viewKeys } from '../view.ts'
import { east, makeObject, network1, settings, trust } from '#test/mesh/records.ts'

type Match = Parameters<typeof mergeHttpMatches>[0][number]

test.each<[string, Match, Match, Match | undefined]>([
  ['nothing and something', {}, { port: 1 }, { port: 1, gateways: undefined }],
  [
    'a prefix and a longer one',
    { uri: { prefix: '/a' } },
    { uri: { prefix: '/a/b' } },
    { uri: { prefix: '/a/b' }, gateways: undefined },
  ],
  [
    'a prefix and a path below',
    { uri: { prefix: '/a' } },
    { uri: { exact: '/a/b' } },
    { uri: { exact: '/a/b' }, gateways: undefined },
  ],
  ['a prefix and another one', { uri: { prefix: '/a/b' } }, { uri: { prefix: '/a' } }, undefined],
  ['a path and a prefix', { uri: { exact: '/a' } }, { uri: { prefix: '/a' } }, undefined],
  ['two paths', { uri: { exact: '/a' } }, { uri: { exact: '/b' } }, undefined],
  ['an expression and anything', { uri: { regex: '/a' } }, { uri: { exact: '/a' } }, undefined],
  ['anything and an expression', { uri: { prefix: '/a' } }, { uri: { regex: '/a' } }, undefined],
  ['presence and a value', { headers: { a: {} } }, { headers: { a: { exact: 'b' } } }, undefined],
  [
    'fields of both',
    { headers: { a: { exact: '1' } }, sourceLabels: { a: '1' }, name: 'root', method: { exact: 'GET' } },
    { headers: { b: { exact: '2' } }, sourceLabels: { b: '2' }, name: 'leaf' },
    {
      headers: { a: { exact: '1' }, b: { exact: '2' } },
      sourceLabels: { a: '1', b: '2' },
      name: 'root-leaf',
      method: { exact: 'GET' },
      gateways: undefined,
    },
  ],
  ['two ports', { port: 1 }, { port: 2 }, undefined],
  ['case and no case', { ignoreUriCase: true }, {}, undefined],
  ['a namespace and none', { sourceNamespace: 'a' }, {}, undefined],
  ['none and a namespace', {}, { sourceNamespace: 'a' }, { sourceNamespace: 'a', gateways: undefined }],
  ['labels that differ', { sourceLabels: { a: '1' } }, { sourceLabels: { a: '2' } }, undefined],
  ['gateways of which one is meant', { gateways: ['a/b', 'mesh'] }, { gateways: ['mesh'] }, { gateways: ['mesh'] }],
  ['gateways of which more are meant', { gateways: ['mesh'] }, { gateways: ['mesh', 'a/b'] }, undefined],
])('%s', (_, root, leaf, expected) => expect(mergeHttpMatches([root], [leaf])).toEqual(expected && [expected]))

test('each match of the delegate goes with each of the root that it fits into', () => {
  const root = [{ uri: { prefix: '/a' } }, { uri: { prefix: '/a/b' } }, { uri: { prefix: '/c' } }]
  expect(mergeHttpMatches(root, [{ uri: { prefix: '/a/b' } }, { method: { exact: 'GET' } }])?.length).toBe(5)
  expect(mergeHttpMatches(root, [])).toBe(root)
  expect(mergeHttpMatches([], root)).toBe(root)
})

test('the view tells a root with the routes of its delegates, whatever comes first', () => {
  const view = new MeshViewStore({ localCluster: east, localNetwork: network1, settings, trust })
  const change = (name: string, spec: object | null, namespace = 'default') =>
    view.apply([
      {
        kind: 'config',
        origin: 'mesh',
        key: toObjectKey('VirtualService', namespace, name),
        value: spec && makeObject('VirtualService', name, { ...spec }, { namespace }),
      },
    ])
  const routes = () =>
    view
      .virtualServicesFor('reviews.example')[0]
      ?.spec.http?.map(({ name, route, timeout }) => [name, route?.[0]?.destination.host, timeout])
  const leaf = (fields: object = {}) => ({
    http: [{ name: 'leaf', route: [{ destination: { host: 'a' } }], ...fields }],
  })

  change('root', {
    hosts: ['reviews.example'],
    http: [
      { name: 'root', delegate: { name: 'leaf', namespace: 'other' }, timeout: '1s' },
      { name: 'last', route: [{ destination: { host: 'b' } }] },
    ],
  })
  expect(routes()).toEqual([['last', 'b', undefined]])
  const answer = viewKeys.virtualServicesFor('reviews.example')
  expect([...change('leaf', leaf(), 'other')]).toContain(answer)
  expect(routes()).toEqual([
    ['root-leaf', 'a.other.svc.cluster.local', '1s'],
    ['last', 'b', undefined],
  ])
  change('leaf', leaf({ timeout: '2s' }), 'other')
  expect(routes()?.[0]).toEqual(['root-leaf', 'a.other.svc.cluster.local', '2s'])
  for (const unfit of [{ ...leaf(), exportTo: ['.'] }, { ...leaf(), hosts: ['x.example'] }, null]) {
    change('leaf', unfit, 'other')
    expect(routes()).toEqual([['last', 'b', undefined]])
  }
  expect([...change('unrelated', leaf(), 'other')]).not.toContain(answer)

  const setDefault = (defaultVirtualServiceExportTo?: string[]) =>
    view.apply([{ kind: 'settings', value: { ...settings, meshConfig: { defaultVirtualServiceExportTo } } }])
  change('leaf', leaf(), 'other')
  expect([...setDefault(['.'])]).toContain(answer)
  expect(routes()).toEqual([['last', 'b', undefined]])
  setDefault(['default'])
  expect(routes()).toHaveLength(2)
  setDefault(['.'])
  change('leaf', { ...leaf(), exportTo: ['*'] }, 'other')
  expect(routes()).toHaveLength(2)
})
