import { describe, expect, test } from 'vitest'
import type { RegistryBatch, RegistryChange } from '#agent/registry/registry.ts'
import { RemovalGuard } from '#agent/registry/removal-guard.ts'
import { clusterName, networkName, toServiceKey } from '#mesh/names.ts'
import { entry } from '../uplink/uplink-fixture.ts'

const cluster = clusterName.parse('east')

type CatalogChange = Extract<RegistryChange, { kind: 'catalog' }>

const service = (name: string, endpoints: number | null): CatalogChange => {
  const value = entry(name, endpoints ?? 0)
  return { kind: 'catalog', cluster, service: value.service.key, value: endpoints === null ? null : value }
}

const goneRoute: RegistryChange = { kind: 'config', origin: 'cluster', key: 'VirtualService/shop/route', value: null }
const goneWorkload: RegistryChange = { kind: 'workload', key: 'shop/a-0', value: null }

/** A guard over these services, and what is let through from then on. */
const guardOver = (services: Readonly<Record<string, number>>) => {
  const passed: { readonly batch: RegistryBatch; readonly confirmed: string | undefined }[] = []
  const guard = new RemovalGuard({
    cluster,
    now: () => 0,
    onBatch: (batch, confirmed) => passed.push({ batch, confirmed }),
  })
  const take = (...changes: RegistryChange[]): void => guard.take({ changes })
  guard.take({
    changes: Object.entries(services).map(([name, endpoints]) => service(name, endpoints)),
    gateways: [{ address: '10.0.0.9', port: 15_443 }],
    namespaces: ['payments', 'shop'],
  })
  passed.length = 0
  /** What was let through since the last time, each by its key and what is there now. */
  const seen = (): unknown[] =>
    passed.splice(0).flatMap(({ batch }) =>
      batch.changes.map((change) => {
        if (change.kind !== 'catalog') return change.key
        return `${change.service.split(/[./]/)[1]} ${change.value?.endpoints.length ?? 'gone'}`
      }),
    )
  return { guard, take, passed, seen }
}

test.each([
  ['one endpoint of three', { a: 3 }, [service('a', 2)]],
  ['a service’s only endpoint', { a: 1 }, [service('a', 0)]],
  ['three of ten endpoints', { a: 10 }, [service('a', 7)]],
  ['one service of four', { a: 0, b: 0, c: 0, d: 0 }, [service('d', null)]],
  ['the last service', { a: 1 }, [service('a', null)]],
  ['configuration', { a: 10 }, [goneRoute, goneWorkload]],
])('%s may go', (_what, services, changes) => {
  const { guard, take, passed } = guardOver(services)
  take(...changes)
  expect(guard.hold).toBeUndefined()
  expect(passed).toEqual([{ batch: { changes }, confirmed: undefined }])
})

test.each([
  ['all endpoints of two', { a: 2 }, [service('a', 0)]],
  ['four of ten endpoints', { a: 5, b: 5 }, [service('a', 3), service('b', 3)]],
  [
    'two of four services, of which no endpoints are known',
    { a: 0, b: 0, c: 0, d: 0 },
    [service('c', null), service('d', null)],
  ],
])('%s are kept until a person agrees', (_what, services, changes) => {
  const { guard, take, seen, passed } = guardOver(services)
  take(...changes)
  expect(seen()).toEqual([])
  const id = guard.hold?.id ?? ''
  guard.confirm('mass-removal-of-another-time')
  expect(seen()).toEqual([])
  guard.confirm(id)
  expect(guard.hold).toBeUndefined()
  expect(passed).toMatchObject([{ batch: { changes }, confirmed: id }])
})

test('an emptied registry takes nothing: no service, no workload, no configuration, no gateway, no namespace', () => {
  const { guard, passed } = guardOver({ a: 2, b: 2 })
  const changes = [service('a', null), service('b', null), goneRoute, goneWorkload]
  guard.take({ changes, gateways: [], namespaces: [] })
  expect(passed.splice(0)).toMatchObject([
    { batch: { changes: [], gateways: [{ address: '10.0.0.9' }], namespaces: ['payments', 'shop'] } },
  ])
  expect(guard.hold).toMatchObject({
    kind: 'mass-removal',
    reason: expect.stringContaining('4 of 4 endpoints and 2 of 2 services') as string,
  })
  guard.confirm(guard.hold?.id ?? '')
  expect(passed).toMatchObject([{ batch: { changes, gateways: [], namespaces: [] } }])
})

test('what comes or changes counts while a removal is held', () => {
  const { guard, take, seen, passed } = guardOver({ a: 2, b: 2 })
  take(service('a', null), service('b', 3), service('c', 1))
  expect(seen()).toEqual(['b 3', 'c 1'])
  guard.take({ changes: [service('b', 4)], namespaces: ['new', 'shop'] })
  expect(passed).toMatchObject([{ batch: { changes: [{}], namespaces: ['new', 'payments', 'shop'] } }])
  expect(guard.hold).toBeDefined()
})

test('a rollout seen in one step replaces all endpoints of a service', () => {
  const { guard, take, passed } = guardOver({ a: 10 })
  const old = entry('a', 10)
  const endpoints = old.endpoints.map((endpoint) => ({ ...endpoint, id: `new-${endpoint.id}` }))
  const change: RegistryChange = { kind: 'catalog', cluster, service: old.service.key, value: { ...old, endpoints } }
  take(change)
  expect(guard.hold).toBeUndefined()
  expect(passed).toMatchObject([{ batch: { changes: [change] } }])
})

test('endpoints that have come are used beside those whose removal is held', () => {
  const { guard, take, passed } = guardOver({ a: 4 })
  const old = entry('a', 4)
  const come = old.endpoints.slice(0, 2).map((endpoint) => ({ ...endpoint, id: `new-${endpoint.id}` }))
  take({ kind: 'catalog', cluster, service: old.service.key, value: { ...old, endpoints: come } })
  const endpointsOf = ({ batch }: { readonly batch: RegistryBatch }) =>
    batch.changes.flatMap((change) => (change.kind === 'catalog' ? change.value?.endpoints.map(({ id }) => id) : []))
  expect(passed.splice(0).map(endpointsOf)).toEqual([['a-0', 'a-1', 'a-2', 'a-3', 'new-a-0', 'new-a-1']])
  take(service('b', 10))
  expect(passed.splice(0)).toMatchObject([{ batch: { changes: [{ value: { endpoints: { length: 10 } } }] } }])
  expect(guard.hold?.reason).toContain('2 of 4 endpoints')
  guard.confirm(guard.hold?.id ?? '')
  expect(passed.map(endpointsOf)).toEqual([['new-a-0', 'new-a-1']])
})

test('a hold is gone with its reason: what is back was never away', () => {
  const { guard, take, seen } = guardOver({ a: 2, b: 2 })
  take(service('a', null), service('b', null), goneRoute)
  const id = guard.hold?.id ?? ''
  take(service('a', 2), service('b', 1))
  expect(guard.hold).toBeUndefined()
  expect(seen()).toEqual(['a 2', 'b 1', goneRoute.key])
  guard.confirm(id)
  expect(seen()).toEqual([])
})

test('a hold keeps its id as long as it means no more than was shown, and replicas that see the same call it the same', () => {
  const [one, other] = [guardOver({ a: 4, b: 4 }), guardOver({ a: 4, b: 4 })]
  one.take(service('a', null), service('b', 3))
  other.take(service('b', 3))
  other.take(service('a', null))
  const id = one.guard.hold?.id ?? ''
  one.take(service('b', 4))
  expect(one.guard.hold?.id).toBe(id)
  one.take(service('b', null))
  expect(one.guard.hold?.id).not.toBe(id)
  const third = guardOver({ b: 4, a: 4 })
  third.take(service('b', 3), service('a', null))
  expect(third.guard.hold?.id).toBe(id)
  expect(other.guard.hold).toBeDefined()
})

describe('new endpoints beside those whose removal is held', () => {
  /** All endpoints of a service replaced by so many others. */
  const replaced = (name: string, endpoints: number): CatalogChange => {
    const { service: of, endpoints: all } = entry(name, endpoints)
    const value = { service: of, endpoints: all.map((each) => ({ ...each, id: `new-${each.id}` })) }
    return { kind: 'catalog', cluster, service: of.key, value }
  }

  test('add nothing to what a person is asked about, whatever else changes', () => {
    const { guard, take, seen } = guardOver({ a: 20, b: 5 })
    take(replaced('a', 8))
    const { id, reason } = guard.hold ?? {}
    expect(reason).toContain('12 of 25 endpoints')
    take(service('b', 6))
    expect(guard.hold).toMatchObject({ id, reason })
    take(replaced('a', 9))
    expect(guard.hold).toMatchObject({ id, reason: expect.stringContaining('11 of 25 endpoints') as string })
    seen()
    guard.confirm(id ?? '')
    expect(seen()).toEqual(['a 9'])
  })

  test('end the hold when they are enough', () => {
    const { guard, take, seen } = guardOver({ a: 10 })
    take(replaced('a', 5))
    expect(seen()).toEqual(['a 15'])
    take(replaced('a', 7))
    expect(guard.hold).toBeUndefined()
    expect(seen()).toEqual(['a 7'])
  })

  test('leave a yes good for all that goes by it: the plane has been told of both', () => {
    const { guard, take } = guardOver({ a: 10 })
    take(replaced('a', 5))
    expect(guard.hold).toMatchObject({ reason: expect.stringContaining('5 of 10') as string, endpoints: 10 })
    take(replaced('a', 6))
    expect(guard.hold).toMatchObject({ reason: expect.stringContaining('4 of 10') as string, endpoints: 10 })
  })
})

const renamed = { from: 'cluster.local', to: 'mesh.example' }

/** What a registry says of a service under the new suffix. */
const renamedService = (name: string, endpoints: number): CatalogChange => {
  const { service: before, endpoints: all } = entry(name, endpoints)
  const hostname = before.hostname.replace(renamed.from, renamed.to)
  const key = toServiceKey(before.namespace, hostname)
  return { kind: 'catalog', cluster, service: key, value: { service: { ...before, key, hostname }, endpoints: all } }
}

/** Names and endpoints of what counts in the end. */
const toSurvivors = (batches: readonly { readonly batch: RegistryBatch }[]) => {
  const catalog = new Map<string, number | null>()
  for (const { batch } of batches)
    for (const change of batch.changes)
      if (change.kind === 'catalog') catalog.set(change.service, change.value && change.value.endpoints.length)
  return Object.fromEntries(catalog)
}

test('services that go by other names are not lost', () => {
  const { guard, passed } = guardOver({ a: 2, b: 2 })
  guard.take({
    changes: [service('a', null), service('b', null), renamedService('a', 2), renamedService('b', 2)],
    renamed,
  })
  expect(guard.hold).toBeUndefined()
  expect(toSurvivors(passed)).toEqual({
    [service('a', 0).service]: null,
    [renamedService('a', 0).service]: 2,
    [service('b', 0).service]: null,
    [renamedService('b', 0).service]: 2,
  })
})

test('what is held stays so under its other name, and goes by it when a person agrees', () => {
  const { guard, take, passed } = guardOver({ a: 4, b: 4 })
  take(service('a', null), service('b', 1))
  const id = guard.hold?.id ?? ''
  passed.length = 0
  // The registry does not know of `a` any more.
  guard.take({ changes: [service('b', null), renamedService('b', 1)], renamed })
  expect(guard.hold?.id).toBe(id)
  expect(toSurvivors(passed.splice(0))).toEqual({
    [service('a', 0).service]: null,
    [renamedService('a', 0).service]: 4,
    [service('b', 0).service]: null,
    [renamedService('b', 0).service]: 4,
  })
  guard.confirm(id)
  expect(toSurvivors(passed)).toEqual({ [renamedService('a', 0).service]: null, [renamedService('b', 0).service]: 1 })
})

describe('after a restart', () => {
  /** A guard that begins with what one before it let through. */
  const restored = (services: Readonly<Record<string, number>>, more: readonly RegistryChange[] = []) => {
    const { guard, passed, ...rest } = guardOver({})
    guard.restore({
      changes: [...Object.entries(services).map(([name, endpoints]) => service(name, endpoints)), ...more],
      gateways: [{ address: '10.0.0.9', port: 15_443 }],
      namespaces: ['shop'],
    })
    return { guard, passed, ...rest }
  }
  const workload: RegistryChange = {
    kind: 'workload',
    key: 'shop/a-0',
    value: {
      namespace: 'shop',
      name: 'a-0',
      address: '10.0.0.1',
      labels: {},
      serviceAccount: 'a',
      network: networkName.parse('net-east'),
      locality: '',
    },
  }

  test('what counted before counts again, and what the registry says of it is told where it differs', () => {
    const { guard, take, seen } = restored({ a: 4, b: 4, c: 1 }, [workload])
    expect(seen()).toEqual(['a 4', 'b 4', 'c 1', 'shop/a-0'])
    take(service('a', 4), service('b', 3), service('d', 1))
    expect(guard.hold).toBeUndefined()
    expect(seen()).toEqual(['b 3', 'd 1', 'c gone', 'shop/a-0'])
  })

  test('a registry that is empty now takes nothing, until a person agrees', () => {
    const { guard, take, seen } = restored({ a: 4, b: 4 }, [workload])
    seen()
    guard.take({ changes: [], gateways: [], namespaces: [] })
    expect(seen()).toEqual([])
    expect(guard.hold?.reason).toContain('8 of 8 endpoints and 2 of 2 services')
    const other = guardOver({ a: 4, b: 4 })
    other.take(service('a', null), service('b', null))
    expect(guard.hold?.id).toBe(other.guard.hold?.id)
    take(service('c', 1))
    expect(seen()).toEqual(['c 1'])
    guard.confirm(guard.hold?.id ?? '')
    expect(seen()).toEqual(['a gone', 'b gone', 'shop/a-0'])
  })

  test('a name that changed meanwhile is no loss', () => {
    const { guard, passed } = restored({ a: 4, b: 4 })
    guard.rename(renamed)
    guard.take({ changes: [renamedService('a', 4), renamedService('b', 4)] })
    expect(guard.hold).toBeUndefined()
    expect(toSurvivors(passed)).toMatchObject({
      [service('a', 0).service]: null,
      [renamedService('a', 0).service]: 4,
      [renamedService('b', 0).service]: 4,
    })
  })
})

describe('workloads that are known to have left', () => {
  test('are no loss, however many they are', () => {
    const { guard, seen } = guardOver({ a: 2, b: 2 })
    guard.take({ changes: [service('a', 0), service('b', 1)], left: new Set(['shop/a-0', 'shop/a-1', 'shop/b-1']) })
    expect(guard.hold).toBeUndefined()
    expect(seen().slice(-2)).toEqual(['a 0', 'b 1'])
  })

  test('leave while something else is held', () => {
    const { guard, take, seen } = guardOver({ a: 2, b: 4 })
    take(service('b', 0))
    const { hold } = guard
    guard.take({ changes: [service('a', 1)], left: new Set(['shop/a-1']) })
    expect(guard.hold).toEqual(hold)
    expect(seen()).toContain('a 1')
    take(service('b', 4))
    expect(guard.hold).toBeUndefined()
  })
})
