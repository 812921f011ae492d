import { pino } from 'pino'
import { expect, test } from 'vitest'
import { MeshViewStore } from '#mesh/mesh-view-store.ts'
import { clusterName, networkName } from '#mesh/names.ts'
import { meshSettings } from '#mesh/settings.ts'
import type { ViewChange } from '#mesh/view.ts'
import type { Compiler } from '#xds/compiler.ts'
import { ChangeFlow } from './change-flow.ts'

const settings = meshSettings.parse({ meshId: 'm', meshName: 'demo', trustDomain: 'td.example' })

const createFlow = () => {
  const view = new MeshViewStore({
    localCluster: clusterName.parse('east'),
    localNetwork: networkName.parse('net-east'),
    settings,
    trust: { roots: [], intermediates: [], epoch: 0 },
  })
  const happened: string[] = []
  const faults = { next: false }
  const compiler: Compiler = {
    attach: () => ({ sets: [], blockedBy: undefined }),
    detach: () => {},
    update: (touched, revision) => {
      if (faults.next) throw new Error('a fault')
      happened.push(`update ${touched.size}`)
      return { revision, changed: [], moved: ['a proxy'], problems: [] }
    },
  }
  const sink = {
    push: () => happened.push('push'),
    compiled: (revision: number) => happened.push(`compiled ${revision}`),
  }
  return { flow: new ChangeFlow(view, compiler, sink, pino({ level: 'silent' })), happened, faults }
}

const change = (proxyHttpPort: number): ViewChange => ({
  kind: 'settings',
  value: { ...settings, meshConfig: { proxyHttpPort } },
})

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

test('a change that comes alone goes at once', async () => {
  const { flow, happened } = createFlow()
  flow.submit([change(1)], 3)
  expect(happened).toEqual(['update 1', 'compiled 3'])
  await turn()
  flow.submit([change(2)])
  expect(happened.slice(2)).toEqual(['update 1', 'push'])
  await turn()
  flow.submit([change(2)])
  expect(happened).toHaveLength(4)
})

test('a burst is two updates: its first change, and all the others', async () => {
  const { flow, happened } = createFlow()
  for (let port = 1; port <= 200; port += 1) flow.submit([change(port)], port)
  await turn()
  expect(happened).toEqual(['update 1', 'compiled 1', 'update 1', 'compiled 200'])
  expect(flow.revision).toBe(200)
})

test('a revision that touches nothing is compiled too', async () => {
  const { flow, happened } = createFlow()
  flow.submit([], 1)
  await turn()
  flow.submit([], 2)
  expect(happened).toEqual(['update 0', 'compiled 1', 'update 0', 'compiled 2'])
})

test('a fault stops neither the agent nor the changes that follow, and is not told as compiled', async () => {
  const { flow, happened, faults } = createFlow()
  faults.next = true
  flow.submit([change(1)], 1)
  await turn()
  expect(flow.revision).toBe(0)
  faults.next = false
  flow.submit([{ kind: 'trust', value: { roots: [], intermediates: [], epoch: 1 } }], 2)
  expect(happened).toEqual(['update 2', 'compiled 2'])
  expect(flow.revision).toBe(2)
})
