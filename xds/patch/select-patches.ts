import { RE2JS } from 're2js'
import { objectKeyOf, type Configured } from '#mesh/config-object.ts'
import type { EnvoyFilterSpec } from '#mesh/config/envoy-filter.ts'
import { maxVersionLength } from '#mesh/config/schema/envoy-filter-match.ts'
import { hasLabels } from '#mesh/has-labels.ts'
import { byAge } from '#mesh/merge/by-age.ts'
import { hasLabelsThere, type Place } from '#mesh/topology.ts'
import type { MeshView } from '#mesh/view.ts'
import type { Proxy } from '#xds/proxy.ts'

type EnvoyFilter = Configured<EnvoyFilterSpec>

/** The patches of one EnvoyFilter that are for a proxy, by their places in it. */
export interface SelectedFilter {
  /** Of the object. */
  readonly key: string
  readonly namespace: string
  readonly patches: readonly number[]
}

/** The Istio release whose API Atoll has: what a match on the version of a proxy is held against. */
const istioVersion = '1.31.1'

/**
 * The EnvoyFilters for a proxy in the order in which they apply: of the root namespace and of its own; by priority, those of the root
 * namespace before others, the older before the younger.
 */
export const selectPatches = (view: MeshView, proxy: Proxy, place: Place): readonly SelectedFilter[] => {
  const { rootNamespace } = view.meshConfig()
  const namespaces = [...new Set([rootNamespace, proxy.namespace])]
  const metadata = toMetadata(view, proxy)
  return namespaces
    .flatMap((namespace) => view.envoyFilters(namespace))
    .filter(({ spec }) => hasLabelsThere(place, spec.workloadSelector?.labels ?? {}))
    .toSorted((one, other) => compareFilters(one, other, rootNamespace))
    .flatMap((filter) => {
      const patches = [...filter.spec.configPatches.keys()].filter((index) => isForProxy(filter, index, metadata))
      return patches.length === 0 ? [] : { key: objectKeyOf(filter), namespace: filter.metadata.namespace, patches }
    })
}

/** What tells sets apart: of proxies for which this is the same, the same patches hold. */
export const toSelectionKey = (filters: readonly SelectedFilter[]): string =>
  filters.map(({ key, patches }) => `${key}#${patches.join(',')}`).join('|')

const compareFilters = (one: EnvoyFilter, other: EnvoyFilter, rootNamespace: string): number => {
  if (one.spec.priority !== other.spec.priority) return one.spec.priority - other.spec.priority
  const [isRoot, isOtherRoot] = [one, other].map(({ metadata }) => metadata.namespace === rootNamespace)
  if (isRoot !== isOtherRoot) return isRoot ? -1 : 1
  return byAge(one, other)
}

/** What Istio's proxies say of themselves, as far as the registry knows it. */
const toMetadata = (view: MeshView, proxy: Proxy): Readonly<Record<string, string>> => ({
  NAME: proxy.workload,
  NAMESPACE: proxy.namespace,
  SERVICE_ACCOUNT: proxy.serviceAccount,
  CLUSTER_ID: view.localCluster,
  NETWORK: view.localNetwork,
})

const isForProxy = ({ spec }: EnvoyFilter, index: number, metadata: Readonly<Record<string, string>>): boolean => {
  const { proxyVersion, metadata: wanted = {} } = spec.configPatches[index]?.match.proxy ?? {}
  return (proxyVersion === undefined || isOurVersion(proxyVersion)) && hasLabels(metadata, wanted)
}

const isOurVersion = (expression: string): boolean =>
  expression.length <= maxVersionLength && RE2JS.compile(expression).matcher(istioVersion).find()
