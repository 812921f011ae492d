import { expect, test } from 'vitest'
import { objectKeyOf } from '#mesh/config-object.ts'
import type { ViewChange } from '#mesh/view.ts'
import { east, makeEndpoint, makeEntry, makeObject, makeService, settings, west } from '#test/mesh/records.ts'
import { OfferedCatalog } from './offered-catalog.ts'

const service = (namespace: string, name = 'reviews') =>
  makeService({ namespace, hostname: `${name}.${namespace}.svc.cluster.local` })
const entry = (namespace: string, name?: string) =>
  makeEntry(service(namespace, name), makeEndpoint('a', { ports: { http: 8080 } }))
const catalog = (namespace: string, cluster = east): ViewChange => {
  const value = entry(namespace)
  return { kind: 'catalog', cluster, service: value.service.key, value }
}
const policy = (namespace: string, mode: string, origin: 'mesh' | 'cluster' = 'cluster'): ViewChange => {
  const value = makeObject('PeerAuthentication', 'all', { mtls: { mode } }, { namespace })
  return { kind: 'config', origin, key: objectKeyOf(value), value }
}
const gone = (change: ViewChange): ViewChange => ({ ...change, value: null }) as ViewChange

const start = (...changes: readonly ViewChange[]) => {
  const offered = new OfferedCatalog(east, settings)
  const take = (...taken: readonly ViewChange[]) => {
    const { upserts, removes } = offered.take(taken)
    const told = upserts.map(({ service: of, endpoints }) => [of.namespace, endpoints[0]?.plaintextPorts])
    return [...told, ...removes.map((key) => [key])]
  }
  return { take, first: take(...changes) }
}

test('what a registry says is told on, marked by what is known by then', () => {
  expect(start(catalog('one'), policy('one', 'DISABLE'), catalog('two'), catalog('one', west)).first).toEqual([
    ['one', [8080]],
    ['two', undefined],
  ])
})

test('what PeerAuthentications change is told anew, and nothing else', () => {
  const { take } = start(catalog('one'), catalog('two'))
  expect(take(policy('one', 'STRICT'))).toEqual([])
  expect(take(policy('one', 'DISABLE', 'mesh'))).toEqual([])
  expect(take(policy('one', 'DISABLE'))).toEqual([['one', [8080]]])
  expect(take(policy('one', 'DISABLE'))).toEqual([])
  expect(take(policy('atoll-system', 'DISABLE', 'mesh'))).toEqual([['two', [8080]]])
  expect(take(gone(policy('one', 'DISABLE')), gone(policy('one', 'DISABLE', 'mesh')))).toEqual([])
  expect(take(gone(policy('atoll-system', 'DISABLE', 'mesh')))).toEqual([
    ['one', undefined],
    ['two', undefined],
  ])
})

test('another root namespace has other objects for all', () => {
  const { take } = start(catalog('one'), policy('istio-system', 'DISABLE'))
  const value = { ...settings, meshConfig: { rootNamespace: 'istio-system' } }
  expect(take({ kind: 'settings', value })).toEqual([['one', [8080]]])
  expect(take({ kind: 'settings', value: { ...value, inboundMtls: 'permissive' } })).toEqual([])
})

test('what is gone is told, and does not come back with a policy', () => {
  const { take } = start(catalog('one'), policy('one', 'DISABLE'))
  expect(take(gone(catalog('one')))).toEqual([[service('one').key]])
  expect(take(policy('one', 'STRICT'))).toEqual([])
})
