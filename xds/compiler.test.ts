import { expect, test } from 'vitest'
import { MeshViewStore } from '#mesh/mesh-view-store.ts'
import type { Endpoint } from '#mesh/service.ts'
import type { ViewChange } from '#mesh/view.ts'
import {
  east,
  makeEndpoint,
  makeObject,
  makeService,
  makeWorkload,
  network1,
  settings,
  trust,
} from '#test/mesh/records.ts'
import { createCompiler } from './compiler.ts'
import type { Proxy } from './proxy.ts'
import { typeUrls } from './type-url.ts'

const reviews = makeService()
const catalog = (...endpoints: readonly Endpoint[]): ViewChange => ({
  kind: 'catalog',
  cluster: east,
  service: reviews.key,
  value: { service: reviews, endpoints },
})
const workload = (name: string, labels: Record<string, string> = {}, address = '10.0.0.1'): ViewChange => ({
  kind: 'workload',
  key: `default/${name}`,
  value: makeWorkload(name, { labels, address }),
})
const sidecar = (workloadName: string): Proxy => ({
  role: 'sidecar',
  namespace: 'default',
  serviceAccount: 'default',
  workload: workloadName,
})
const sidecarObject: ViewChange = {
  kind: 'config',
  origin: 'mesh',
  key: 'Sidecar/default/special',
  value: makeObject('Sidecar', 'special', {
    workloadSelector: { labels: { special: 'yes' } },
    egress: [{ hosts: ['~/*'] }],
  }),
}

const start = (...changes: readonly ViewChange[]) => {
  const store = new MeshViewStore({ localCluster: east, localNetwork: network1, settings, trust })
  store.apply([catalog(makeEndpoint('r-1')), workload('w-1'), workload('w-2'), ...changes])
  return store
}

test('proxies with the same inputs share one set, whatever their labels', () => {
  const store = start(workload('w-2', { unselected: 'label' }))
  const compiler = createCompiler(store)
  const [one, two] = [compiler.attach(sidecar('w-1')), compiler.attach(sidecar('w-2'))]
  expect(one.sets[0]).toBe(two.sets[0])
  expect(one.sets[1]).not.toBe(two.sets[1])
})

test('a proxy that another Sidecar object selects moves to another class', () => {
  const store = start(sidecarObject)
  const compiler = createCompiler(store)
  const [one, two] = [compiler.attach(sidecar('w-1')), compiler.attach(sidecar('w-2'))]
  const { moved } = compiler.update(store.apply([workload('w-2', { special: 'yes' })]), 1)
  expect(moved).toEqual(['sidecar/default/w-2'])
  expect(one.sets[0]).not.toBe(two.sets[0])
  expect(one.sets[0]?.all(typeUrls.virtualHost).size).toBe(1)
  expect(two.sets[0]?.all(typeUrls.virtualHost).size).toBe(0)
})

test('a change of endpoints changes EDS and nothing else, as long as the accounts stay', () => {
  const store = start()
  const compiler = createCompiler(store)
  const [shared] = compiler.attach(sidecar('w-1')).sets
  if (!shared) throw new Error('no class')
  const before = shared.generation
  const other = makeEndpoint('r-2', { address: '10.0.0.2', weight: 3 })
  const { changed, revision } = compiler.update(
    store.apply([catalog(makeEndpoint('r-1', { health: 'unhealthy' }), other)]),
    7,
  )
  expect(revision).toBe(7)
  expect(changed).toEqual([shared])
  const types = Object.values(typeUrls).filter((type) => shared.lastChange(type) > before)
  expect(types).toEqual([typeUrls.endpoint])
  expect(shared.changesSince(typeUrls.endpoint, before)).toEqual(['outbound|80||reviews.default.svc.cluster.local'])

  compiler.update(store.apply([catalog(makeEndpoint('r-3', { serviceAccount: 'another' }))]), 8)
  expect(shared.lastChange(typeUrls.cluster)).toBeGreaterThan(before)
})

test('a proxy is compiled for as long as it is attached, and finds its class again when it comes back', () => {
  const store = start()
  const compiler = createCompiler(store)
  const first = compiler.attach(sidecar('w-1'))
  const [shared, own] = first.sets
  expect(compiler.attach(sidecar('w-1'))).toBe(first)
  compiler.detach(sidecar('w-1'))
  const move = workload('w-1', {}, '127.0.0.77')
  expect(compiler.update(store.apply([move]), 1).changed).toEqual([own])
  compiler.detach(sidecar('w-1'))
  expect(compiler.update(store.apply([workload('w-1')]), 2).changed).toEqual([])
  expect(compiler.attach(sidecar('w-1')).sets[0]).toBe(shared)
})

test('of the classes without members only the last ones are kept', () => {
  const namespaces = Array.from({ length: 10 }, (_, index) => `ns-${index}`)
  const store = start()
  const compiler = createCompiler(store)
  const visit = (namespace: string) => {
    const proxy = { ...sidecar('w-1'), namespace }
    const [shared] = compiler.attach(proxy).sets
    compiler.detach(proxy)
    return shared
  }
  const before = namespaces.map(visit)
  const after = namespaces.toReversed().map(visit).toReversed()
  const kept = namespaces.filter((_, index) => before[index] === after[index])
  expect(kept).toEqual(namespaces.slice(2))
})

class BreakableStore extends MeshViewStore {
  breaks: string | undefined

  override endpoints(key: typeof reviews.key): readonly Endpoint[] {
    if (key === this.breaks) throw new Error('boom')
    return super.endpoints(key)
  }
}

test('what fails for one service leaves it what it had, and the others go on', () => {
  const store = new BreakableStore({ localCluster: east, localNetwork: network1, settings, trust })
  const other = makeService({ hostname: 'other.default.svc.cluster.local' })
  store.apply([
    catalog(makeEndpoint('r-1')),
    workload('w-1'),
    { kind: 'catalog', cluster: east, service: other.key, value: { service: other, endpoints: [] } },
  ])
  const compiler = createCompiler(store)
  const [shared] = compiler.attach(sidecar('w-1')).sets
  const versions = () =>
    ['reviews', 'other'].map(
      (name) => shared?.get(typeUrls.cluster, `outbound|80||${name}.default.svc.cluster.local`)?.version,
    )
  const [reviewsBefore, otherBefore] = versions()
  store.breaks = reviews.key
  const { problems } = compiler.update(store.apply([{ kind: 'trust', value: { ...trust, epoch: 1 } }]), 2)
  const [reviewsAfter, otherAfter] = versions()
  expect(problems).toEqual([{ unit: `upstreams|${reviews.key}||`, object: '', message: 'boom' }])
  expect(reviewsAfter).toBe(reviewsBefore)
  expect(otherAfter).not.toBe(otherBefore)
})

const guard = (type: string): ViewChange => ({
  kind: 'config',
  origin: 'mesh',
  key: 'EnvoyFilter/default/guard',
  value: {
    ...makeObject('EnvoyFilter', 'guard', {
      workloadSelector: { labels: { app: 'guarded' } },
      configPatches: [
        {
          applyTo: 'HTTP_FILTER',
          match: { context: 'SIDECAR_INBOUND' },
          patch: { operation: 'INSERT_FIRST', value: { name: 'guard', typed_config: { '@type': type } } },
        },
      ],
    }),
    apiVersion: 'networking.istio.io/v1alpha3',
  },
})

test('a proxy that cannot be compiled is told by which object, until it is', () => {
  const store = start(
    workload('w-1', { app: 'guarded' }),
    guard('type.googleapis.com/envoy.extensions.filters.http.rbac.v2.RBAC'),
  )
  const compiler = createCompiler(store)
  const [guarded, other] = [compiler.attach(sidecar('w-1')), compiler.attach(sidecar('w-2'))]
  expect(guarded.blockedBy).toMatchObject({ object: 'EnvoyFilter/default/guard' })
  expect(other.blockedBy).toBeUndefined()
  compiler.update(store.apply([guard('type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC')]), 2)
  expect(guarded.blockedBy).toBeUndefined()
})

test('a proxy that cannot be given the endpoints of its node is told why, and those on other nodes go on', () => {
  const service = makeService({ isNodeLocal: true })
  // No weight that Envoy's API can say.
  const entry = (weight: number): ViewChange => ({
    kind: 'catalog',
    cluster: east,
    service: service.key,
    value: { service, endpoints: [makeEndpoint('r-1', { node: 'n-1', weight })] },
  })
  const on = (name: string, node: string): ViewChange => ({
    kind: 'workload',
    key: `default/${name}`,
    value: makeWorkload(name, { node }),
  })
  const store = start(on('w-1', 'n-1'), on('w-2', 'n-2'), entry(-2))
  const compiler = createCompiler(store)
  const [there, elsewhere] = [compiler.attach(sidecar('w-1')), compiler.attach(sidecar('w-2'))]
  expect(there.blockedBy?.message).toMatch('invalid uint32')
  expect(elsewhere.blockedBy).toBeUndefined()
  expect(compiler.update(new Set(), 1).problems).toHaveLength(1)
  compiler.update(store.apply([on('w-1', 'n-3')]), 2)
  expect(there.blockedBy).toBeUndefined()
  expect(compiler.update(new Set(), 3).problems).toEqual([])
  compiler.update(store.apply([on('w-1', 'n-1')]), 4)
  expect(there.blockedBy).toBeDefined()
  compiler.update(store.apply([entry(2)]), 5)
  expect(there.blockedBy).toBeUndefined()
})
