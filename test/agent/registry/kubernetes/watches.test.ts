import { describe, expect, test } from 'vitest'
import { untilHolds } from '../../until-holds.ts'
import { kubePod, kubeService, kubeSlice, paths, shop } from './kube-objects.ts'
import { createRegistry, serviceKey } from './registry-fixture.ts'

describe('a watch', () => {
  test('goes on where it was, without listing again', async () => {
    const { addresses, synced, server, eventually } = createRegistry(shop())
    await synced()
    server.requests.length = 0
    server.endWatches('broken')
    server.put(paths.slices, kubeSlice('reviews', [1]))
    await eventually(() => expect(addresses('reviews')).toEqual(['10.1.0.1']))
    expect(server.requests.filter((request) => request.startsWith('LIST'))).toEqual([])
  })

  test('goes on from the last bookmark', async () => {
    const { synced, server, eventually } = createRegistry(shop())
    await synced()
    server.bookmark()
    server.compact()
    server.bookmark()
    await untilHolds(() => expect(server.watches).toBe(5))
    server.requests.length = 0
    server.endWatches('well')
    await eventually(() => expect(server.watches).toBe(5))
    expect(server.requests.filter((request) => request.startsWith('LIST'))).toEqual([])
  })

  test('that is too far behind lists again, and says only what is different', async () => {
    const { addresses, services, changedSince, batches, synced, server, eventually } = createRegistry(shop())
    await synced()
    server.endWatches('broken')
    server.delete(paths.services, kubeService('ratings'))
    server.put(paths.services, kubeService('new'))
    server.put(paths.pods, kubePod('reviews', 3))
    server.put(paths.slices, kubeSlice('reviews', [2, 3]))
    server.compact()
    const before = batches.length
    await eventually(() => {
      expect(addresses('reviews')).toEqual(['10.1.0.2', '10.1.0.3'])
      expect(services()).toEqual([serviceKey('reviews'), serviceKey('new')])
    })
    expect(changedSince(before).toSorted()).toEqual([
      `catalog ${serviceKey('new')}`,
      `catalog ${serviceKey('ratings')}`,
      `catalog ${serviceKey('reviews')}`,
      'workload shop/reviews-3',
    ])
  })

  test('that was silent for long lists again: what it knew may not be what the server knows', async () => {
    const { clock, synced, server, eventually } = createRegistry(shop())
    await synced()
    clock.advance(200_000)
    server.requests.length = 0
    server.endWatches('broken')
    await eventually(() => expect(server.requests).toContain(`LIST ${paths.pods}`))
  })

  test('of an API server that is away takes nothing away, and says so', async () => {
    const { batches, registry, clock, addresses, synced, server, eventually } = createRegistry(shop())
    await synced()
    const heardAt = clock.now()
    server.away = true
    server.endWatches('broken')
    await eventually(() => expect(registry.sources().every(({ failure }) => failure !== undefined)).toBe(true))
    clock.advance(60_000)
    await untilHolds(() => expect(batches.length).toBeGreaterThan(1))
    expect(batches.slice(1)).toEqual(batches.slice(1).map(() => ({ changes: [] })))
    await eventually(() =>
      expect(registry.problems().map(({ source }) => source)).toEqual([
        'services',
        'endpointslices',
        'pods',
        'nodes',
        'namespaces',
        'the kinds of configuration',
      ]),
    )
    expect(registry.sources().map((status) => status.heardAt)).toEqual(registry.sources().map(() => heardAt))
    server.away = false
    server.put(paths.slices, kubeSlice('reviews', [2]))
    await eventually(() => expect(addresses('reviews')).toEqual(['10.1.0.2']))
    await eventually(() => expect(registry.problems()).toEqual([]))
  })
})
