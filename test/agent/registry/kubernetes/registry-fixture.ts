import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import { KubernetesRegistry, type KubernetesRegistryOptions } from '#agent/registry/kubernetes/kubernetes-registry.ts'
import type { RegistryBatch } from '#agent/registry/registry.ts'
import { clusterName, networkName, type ServiceKey } from '#mesh/names.ts'
import type { CatalogEntry } from '#mesh/service.ts'
import type { Workload } from '#mesh/workload.ts'
import { VirtualClock } from '../../virtual-clock.ts'
import { untilHolds } from '../../until-holds.ts'
import { FakeApiServer } from './fake-api-server.ts'

export const serviceKey = (name: string, suffix = 'cluster.local'): string => `shop/${name}.shop.svc.${suffix}`

/** A registry on an API server, with all that it has said so far put together. */
export const createRegistry = (
  server = new FakeApiServer(),
  options: Pick<KubernetesRegistryOptions, 'keptPods' | 'onProxiesChange' | 'onInjectionChange' | 'onObject'> = {},
) => {
  const clock = new VirtualClock()
  const registry = new KubernetesRegistry({
    client: server,
    cluster: clusterName.parse('east'),
    network: networkName.parse('net-east'),
    domainSuffix: 'cluster.local',
    clock,
    random: () => 0.5,
    log: pino({ level: 'silent' }),
    ...options,
  })
  onTestFinished(() => registry.stop())
  const batches: RegistryBatch[] = []
  const catalog = new Map<ServiceKey, CatalogEntry>()
  const workloads = new Map<string, Workload>()
  const config = new Map<string, unknown>()
  const state: { gateways?: unknown; namespaces?: unknown } = {}
  const start = () =>
    registry.start((batch) => {
      batches.push(batch)
      if (batch.gateways) state.gateways = batch.gateways
      if (batch.namespaces) state.namespaces = batch.namespaces
      for (const change of batch.changes) {
        if (change.kind === 'catalog') put(catalog, change.service, change.value)
        else if (change.kind === 'workload') put(workloads, change.key, change.value)
        else put(config, change.key, change.value?.spec)
      }
    })
  return {
    server,
    clock,
    registry,
    batches,
    workloads,
    config,
    state,
    start,
    /** Runs, and knows all that there is. */
    synced: async () => {
      start()
      await registry.synced
      await untilHolds(() => {
        if (server.watches < registry.sources().length) throw new Error('not all resources are watched')
      })
    },
    /** Waits while time passes, a second for every look. */
    eventually: (check: () => void) =>
      untilHolds(() => {
        clock.advance(1000)
        check()
      }),
    entry: (name: string) => [...catalog].find(([key]) => key === serviceKey(name))?.[1],
    /** Addresses of a service's endpoints. */
    addresses: (name: string) =>
      [...catalog].find(([key]) => key === serviceKey(name))?.[1].endpoints.map(({ address }) => address),
    services: () => [...catalog.keys()],
    /** What changed by all batches since the first, by kind and name. */
    changedSince: (first: number) =>
      batches
        .slice(first)
        .flatMap(({ changes }) => changes)
        .map((change) => `${change.kind} ${change.kind === 'catalog' ? change.service : change.key}`),
  }
}

const put = <K, V>(map: Map<K, V>, key: K, value: V | null | undefined): void => {
  if (value === null || value === undefined) map.delete(key)
  else map.set(key, value)
}
