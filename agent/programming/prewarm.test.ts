import { expect, test } from 'vitest'
import { stateItem } from '#mesh/state.ts'
import { MAX_IDLE_CLASSES } from '#xds/compiler.ts'
import type { Proxy } from '#xds/proxy.ts'
import { prewarm } from './prewarm.ts'

const proxy = (namespace: string, workload: string, role: Proxy['role'] = 'sidecar'): Proxy => ({
  role,
  namespace,
  serviceAccount: 'default',
  workload,
})
const machine = (namespace: string, workload: string) =>
  stateItem.parse({
    kind: 'machine-token',
    value: {
      ...proxy(namespace, workload),
      id: workload,
      secretHash: '0'.repeat(64),
      expiresAt: '2027-01-01T00:00:00Z',
    },
  })

/** The namespaces that were compiled for. */
const warmed = (...given: Parameters<typeof prewarm> extends [unknown, ...infer Rest] ? Rest : never): string[] => {
  const attached: Proxy[] = []
  const compiler = {
    attach: (one: Proxy) => {
      attached.push(one)
      return { sets: [], blockedBy: undefined }
    },
    detach: (one: Proxy) => expect(one).toBe(attached.at(-1)),
  }
  prewarm(compiler, ...given)
  return attached.map(({ namespace }) => namespace)
}

test('compiles once for each namespace of sidecars on machines and of those that run, and for no gateway', () => {
  const started = [
    proxy('shop', 'web-1'),
    proxy('shop', 'web-2'),
    proxy('atoll-system', 'gateway', 'east-west-gateway'),
  ]
  expect(warmed([machine('legacy', 'vm-1')], started)).toEqual(['shop', 'legacy'])
})

test('compiles for as many as the compiler keeps: those with the most sidecars', () => {
  const started = Array.from({ length: MAX_IDLE_CLASSES + 2 }, (_, index) =>
    Array.from({ length: index + 1 }, (__, number) => proxy(`n${index}`, `p${number}`)),
  ).flat()
  const namespaces = warmed([], started)
  expect(namespaces).toHaveLength(MAX_IDLE_CLASSES)
  expect(namespaces).not.toContain('n0')
  expect(namespaces).not.toContain('n1')
})
