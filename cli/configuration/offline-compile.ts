import type { ConfigObject } from '#mesh/config-object.ts'
import { objectKeyOf } from '#mesh/config-object.ts'
import { MeshViewStore } from '#mesh/mesh-view-store.ts'
import { clusterName, networkName } from '#mesh/names.ts'
import { RegistryIndex } from '#mesh/registry-records/registry-index.ts'
import type { MeshSettings } from '#mesh/settings.ts'
import type { ViewChange } from '#mesh/view.ts'
import { createCompiler } from '#xds/compiler.ts'
import type { Proxy } from '#xds/proxy.ts'
import { readableTypes, toResourceJson } from '#xds/resource-json.ts'
import type { TypeUrl } from '#xds/type-url.ts'

export interface OfflineResource {
  readonly type: TypeUrl
  readonly name: string
  readonly json: unknown
}

export interface OfflineResult {
  /** By type in the order of delivery, then by name. */
  readonly resources: readonly OfflineResource[]
  /** What could not be compiled, or was left out. */
  readonly problems: readonly string[]
}

const cluster = clusterName.parse('offline')
const network = networkName.parse('offline')

/**
 * Compiles for one proxy what files say, as the agent of a cluster that holds all of it would: Services, ServiceEntries and
 * WorkloadEntries are what runs there, the rest is configuration.
 */
export const compileOffline = (
  objects: readonly ConfigObject[],
  proxy: Proxy,
  settings: MeshSettings,
): OfflineResult => {
  const keyed = objects.map((value) => ({ key: objectKeyOf(value), value }))
  const registry = new RegistryIndex({ cluster, network, domainSuffix: settings.domainSuffix })
  const { catalog, workloads } = registry.apply(keyed)
  const changes: ViewChange[] = [
    ...catalog.map(({ service, value }): ViewChange => ({ kind: 'catalog', cluster, service, value })),
    ...workloads.map(({ key, value }): ViewChange => ({ kind: 'workload', key, value })),
    ...keyed.map(({ key, value }): ViewChange => ({ kind: 'config', origin: 'cluster', key, value })),
  ]
  const view = new MeshViewStore({
    localCluster: cluster,
    localNetwork: network,
    settings,
    trust: { roots: [], intermediates: [], epoch: 0 },
  })
  view.apply(changes)
  const compiler = createCompiler(view)
  const { sets } = compiler.attach(proxy)
  const resources = readableTypes.flatMap((type) =>
    sets
      .flatMap((set) => [...set.all(type).values()])
      .map((resource) => ({ type, name: resource.name, json: toResourceJson(type, resource) }))
      .toSorted((left, right) => (left.name < right.name ? -1 : 1)),
  )
  const { problems } = compiler.update(new Set(), 1)
  return {
    resources,
    problems: [
      ...[...registry.problems(), ...view.problems()].map(({ object, path, message }) =>
        [object === undefined ? '' : `${object.kind} ${object.namespace}/${object.name}`, path, message]
          .filter(Boolean)
          .join(' '),
      ),
      ...problems.map(({ object, unit, message }) => `${object || unit}: ${message}`),
    ],
  }
}
