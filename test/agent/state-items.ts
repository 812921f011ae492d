import { makeService } from '#test/mesh/records.ts'
import type { StateChange, StateItem } from '#mesh/state.ts'
import { stateItem, stateKeys } from '#mesh/state.ts'

/** State items for tests. */
export const configItem = (name: string, value: unknown = name): StateItem =>
  stateItem.parse({
    kind: 'config',
    value: {
      apiVersion: 'networking.istio.io/v1',
      kind: 'VirtualService',
      metadata: { name, namespace: 'shop' },
      spec: { value },
    },
  })

export const configKey = (name: string): string => stateKeys.config(`VirtualService/shop/${name}`)

export const configChange = (name: string, value: unknown = name): StateChange => ({
  key: configKey(name),
  item: configItem(name, value),
})

export const trustItem = (roots: readonly string[], intermediates: Readonly<Record<string, string>>): StateItem =>
  stateItem.parse({
    kind: 'trust',
    value: {
      roots,
      intermediates: Object.entries(intermediates).map(([cluster, pem]) => ({ cluster, pem })),
      epoch: 0,
    },
  })

export const catalogItem = (cluster: string, name: string, endpoints: number, network = cluster): StateItem =>
  stateItem.parse({ kind: 'catalog', cluster, value: catalogEntryOf(cluster, name, endpoints, network) })

export const catalogEntryOf = (cluster: string, name: string, endpoints: number, network = cluster): object => ({
  service: makeService({ namespace: 'shop', hostname: `${name}.shop.svc.cluster.local` }),
  endpoints: Array.from({ length: endpoints }, (_, index) => ({
    id: `${name}-${index}`,
    cluster,
    network,
    locality: '',
    address: `127.1.0.${index + 1}`,
    ports: { http: 8080 },
    labels: {},
    weight: 1,
    health: 'healthy',
    tls: 'mutual',
  })),
})
