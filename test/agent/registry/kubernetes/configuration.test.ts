import { expect, test } from 'vitest'
import { untilHolds } from '../../until-holds.ts'
import { kubeSlice, paths, shop, virtualService } from './kube-objects.ts'
import { createRegistry } from './registry-fixture.ts'

const all = { v1: ['virtualservices', 'serviceentries', 'workloadentries'] }

test('configuration is read in the newest version that the server has, and found when it comes later', async () => {
  const server = shop()
  const { config, synced, eventually } = createRegistry(server)
  await synced()
  server.served = { v1alpha3: ['virtualservices'], v1beta1: ['virtualservices'] }
  server.put(paths.config('virtualservices', 'v1beta1'), virtualService('routes', '/old'))
  await eventually(() => expect([...config.keys()]).toEqual(['VirtualService/shop/routes']))
  server.served = { v1: ['virtualservices'], v1beta1: ['virtualservices'] }
  server.put(paths.config('virtualservices'), virtualService('routes', '/new'))
  await eventually(() => expect(JSON.stringify(config.get('VirtualService/shop/routes'))).toContain('/new'))
})

test('configuration that became wrong goes on meaning what it meant, and its problems are known', async () => {
  const server = shop()
  server.served = all
  server.put(paths.config('virtualservices'), virtualService('routes', '/good'))
  const { config, registry, synced } = createRegistry(server)
  await synced()
  server.put(paths.config('virtualservices'), { ...virtualService('routes', '/bad'), spec: { hosts: 7 } })
  await untilHolds(() =>
    expect(registry.problems()).toMatchObject([
      { source: 'VirtualService', problem: { object: { namespace: 'shop', name: 'routes' }, path: 'spec.hosts' } },
    ]),
  )
  expect(JSON.stringify(config.get('VirtualService/shop/routes'))).toContain('/good')
  server.delete(paths.config('virtualservices'), virtualService('routes', '/bad'))
  await untilHolds(() => expect(config.size).toBe(0))
  expect(registry.problems()).toEqual([])
})

test('configuration goes when its kind is gone, but not at the first look', async () => {
  const server = shop()
  server.served = all
  server.put(paths.config('virtualservices'), virtualService('routes', '/'))
  const { config, clock, registry, synced, eventually } = createRegistry(server)
  await synced()
  expect(registry.sources().map(({ name }) => name)).toContain('virtualservices')
  const since = clock.now()
  server.served = {}
  await eventually(() => expect(config.size).toBe(0))
  expect(clock.now() - since).toBeGreaterThan(60_000)
  expect(registry.sources()).toHaveLength(5)
})

test('ServiceEntries select pods and WorkloadEntries; WorkloadEntries are no configuration', async () => {
  const server = shop()
  server.served = all
  server.put(paths.config('serviceentries'), {
    metadata: { name: 'old-reviews', namespace: 'shop' },
    spec: {
      hosts: ['reviews.example'],
      ports: [{ number: 80, name: 'http', protocol: 'HTTP', targetPort: 9080 }],
      resolution: 'STATIC',
      workloadSelector: { labels: { app: 'reviews' } },
    },
  })
  server.put(paths.config('workloadentries'), {
    metadata: { name: 'machine', namespace: 'shop' },
    spec: { address: '10.9.9.9', labels: { app: 'reviews' }, serviceAccount: 'reviews' },
  })
  const { batches, config, synced } = createRegistry(server)
  await synced()
  const entry = batches[0]?.changes.find(
    (change) => change.kind === 'catalog' && change.service === 'shop/reviews.example',
  )
  expect(entry?.value).toMatchObject({
    endpoints: [
      { id: 'machine', address: '10.9.9.9', tls: 'mutual' },
      { id: 'reviews-1', address: '10.1.0.1', ports: { http: 9080 }, tls: 'mutual' },
      { id: 'reviews-2', tls: 'none' },
    ],
  })
  expect([...config.keys()]).toEqual(['ServiceEntry/shop/old-reviews'])
})

test('a Service is served by WorkloadEntries too, and by pods only as its EndpointSlices say', async () => {
  const server = shop()
  server.served = all
  server.put(paths.slices, kubeSlice('reviews', [1]))
  server.put(paths.config('workloadentries'), {
    metadata: { name: 'machine', namespace: 'shop' },
    spec: { address: '10.9.9.9', labels: { app: 'reviews' }, serviceAccount: 'reviews' },
  })
  const { addresses, synced } = createRegistry(server)
  await synced()
  expect(addresses('reviews')).toEqual(['10.9.9.9', '10.1.0.1'])
})

test('a status that is written is no change of the configuration, and is known to who writes it', async () => {
  const server = shop()
  server.served = all
  const written = (conditions: readonly unknown[]) => {
    const object = virtualService('routes', '/')
    return { ...object, metadata: { ...object.metadata, generation: 3 }, status: { conditions } }
  }
  server.put(paths.config('virtualservices'), written([]))
  const { batches, config, registry, synced } = createRegistry(server)
  await synced()
  const key = 'VirtualService/shop/routes'
  expect(config.has(key)).toBe(true)
  const [before, seen] = [batches.length, registry.observed.objects.get(key)]
  expect(seen).toMatchObject({
    path: '/apis/networking.istio.io/v1/namespaces/shop/virtualservices/routes',
    generation: 3,
    conditions: [],
  })
  const changed: string[] = []
  registry.observed.listen((which) => changed.push(which))
  const condition = { type: 'Reconciled', status: 'True' }
  server.put(paths.config('virtualservices'), written([condition]))
  await untilHolds(() => expect(registry.observed.objects.get(key)?.conditions).toEqual([condition]))
  server.put(paths.config('virtualservices'), virtualService('other', '/'))
  await untilHolds(() => expect(config.size).toBe(2))
  expect(changed).toEqual([key])
  expect(batches.slice(before).flatMap(({ changes }) => changes)).toMatchObject([{ key: 'VirtualService/shop/other' }])
  expect(batches).toHaveLength(before + 1)
  server.delete(paths.config('virtualservices'), written([]))
  await untilHolds(() => expect(registry.observed.objects.size).toBe(0))
})
