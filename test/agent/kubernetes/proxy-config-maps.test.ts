import { beforeEach, expect, test } from 'vitest'
import { ProxyConfigMaps, type ConfigMap } from '#agent/kubernetes/proxy-config-maps.ts'
import { createLog } from '#agent/log.ts'
import { VirtualClock } from '../virtual-clock.ts'
import { ObjectServer } from './object-server.ts'

let clock: VirtualClock
let server: ObjectServer<ConfigMap>
let namespaces: Set<string>
let isReporter: boolean
let told: number

beforeEach(() => {
  clock = new VirtualClock()
  server = new ObjectServer()
  namespaces = new Set(['shop'])
  isReporter = true
  told = 0
})

const start = (): ProxyConfigMaps => {
  const maps = new ProxyConfigMaps({
    configMaps: server,
    isReporter: () => isReporter,
    namespaces: () => namespaces,
    toFiles: (rootsPem) => ({ roots: rootsPem.join('') }),
    clock,
    log: createLog('silent'),
    onProblems: () => told++,
  })
  maps.updateRoots(['root-1'])
  return maps
}

const pass = async (seconds: number): Promise<void> => {
  for (let tick = 0; tick < seconds * 10; tick += 1) {
    clock.advance(100)
    for (let turn = 0; turn < 3; turn += 1) await new Promise(setImmediate)
  }
}

const kept = () =>
  Object.fromEntries([...server.objects.values()].map(({ metadata, data }) => [metadata.namespace, data?.['roots']]))

test('there is one in each namespace with proxies and in the system’s; they follow the roots', async () => {
  const maps = start()
  await pass(1)
  expect(kept()).toEqual({ 'atoll-system': 'root-1', shop: 'root-1' })
  maps.updateRoots(['root-1', 'root-2'])
  namespaces.add('bank')
  maps.changed()
  await pass(1)
  expect(kept()).toEqual({ 'atoll-system': 'root-1root-2', bank: 'root-1root-2', shop: 'root-1root-2' })
  const { writes } = server
  await pass(70)
  expect(server.writes).toBe(writes)
})

test('one stays, and is kept, when its namespace is not for proxies any more', async () => {
  const maps = start()
  await pass(1)
  namespaces.clear()
  maps.updateRoots(['root-2'])
  await pass(1)
  expect(kept()).toEqual({ 'atoll-system': 'root-2', shop: 'root-2' })
})

test('what somebody has changed or deleted comes back', async () => {
  start()
  await pass(1)
  const shop = server.objects.get('shop/atoll-proxy')
  if (!shop) throw new Error('there is none')
  server.put({ ...shop, data: {} })
  server.objects.delete('atoll-system/atoll-proxy')
  await pass(61)
  expect(kept()).toEqual({ 'atoll-system': 'root-1', shop: 'root-1' })
})

test('another’s is left alone and told of, and the rest goes on', async () => {
  const foreign = server.put({ metadata: { name: 'atoll-proxy', namespace: 'shop' }, data: { theirs: 'yes' } })
  const maps = start()
  await pass(1)
  expect(server.objects.get('shop/atoll-proxy')).toBe(foreign)
  expect(kept()).toMatchObject({ 'atoll-system': 'root-1' })
  expect(maps.problems()).toEqual([expect.stringContaining("ConfigMap/shop/atoll-proxy: it is not Atoll's")])
  server.objects.clear()
  await pass(6)
  expect(maps.problems()).toEqual([])
  expect(kept()).toEqual({ 'atoll-system': 'root-1', shop: 'root-1' })
  expect(told).toBe(2)
})

test('one replica writes; who becomes it begins', async () => {
  isReporter = false
  const maps = start()
  await pass(70)
  expect(server.writes).toBe(0)
  isReporter = true
  maps.changed()
  await pass(1)
  expect(kept()).toEqual({ 'atoll-system': 'root-1', shop: 'root-1' })
})

test('an API server that is away is tried again', async () => {
  server.isAway = true
  start()
  await pass(1)
  server.isAway = false
  await pass(6)
  expect(kept()).toEqual({ 'atoll-system': 'root-1', shop: 'root-1' })
})
