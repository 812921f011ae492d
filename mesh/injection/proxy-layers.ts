import type { Configured } from '../config-object.ts'
import type { MeshConfig } from '../config/mesh-config.ts'
import type { ProxyConfigSpec } from '../config/proxy-config.ts'
import type { ProxySettings } from '../config/schema/proxy-settings.ts'
import { hasLabels } from '../has-labels.ts'

/** Where it is said how proxies run, but for the pods themselves. */
export interface ProxySettingsSource {
  meshConfig(): Pick<MeshConfig, 'defaultConfig' | 'rootNamespace' | 'enablePrometheusMerge'>
  /** ProxyConfig objects of one namespace, oldest first. */
  proxyConfigs(namespace: string): readonly Configured<ProxyConfigSpec>[]
}

/** How a pod's proxy is to run: a pod's own annotation stands between the two. */
export interface ProxyLayers {
  readonly base: ProxySettings
  readonly override: ProxySettings
  /** Whether Prometheus is led to the proxy for metrics of the application. */
  readonly mergesMetrics: boolean
}

export const noProxyLayers: ProxyLayers = { base: {}, override: {}, mergesMetrics: true }

/**
 * The settings of the mesh, under the ProxyConfig of its root namespace, under that of the pod's own; over the pod's annotation the one that
 * selects the pod. Of several the oldest counts. (Istio: EffectiveProxyConfig of pilot/pkg/model/proxy_config.go.)
 */
export const findProxyLayers = (
  source: ProxySettingsSource,
  namespace: string,
  labels: Readonly<Record<string, string>>,
): ProxyLayers => {
  const { defaultConfig, enablePrometheusMerge, rootNamespace } = source.meshConfig()
  const ofNamespace = (name: string) =>
    toSettings(source.proxyConfigs(name).find(({ spec }) => spec.selector === undefined)?.spec)
  const selecting = source.proxyConfigs(namespace).find(({ spec }) => selects(spec, labels))
  return {
    base: mergeProxySettings(
      defaultConfig,
      ofNamespace(rootNamespace),
      namespace === rootNamespace ? {} : ofNamespace(namespace),
    ),
    override: toSettings(selecting?.spec),
    mergesMetrics: enablePrometheusMerge,
  }
}

const selects = ({ selector }: ProxyConfigSpec, labels: Readonly<Record<string, string>>): boolean => {
  const wanted = selector?.matchLabels ?? {}
  return Object.keys(wanted).length > 0 && hasLabels(labels, wanted)
}

const toSettings = ({ concurrency, environmentVariables, image }: ProxyConfigSpec = {}): ProxySettings => ({
  concurrency,
  proxyMetadata: environmentVariables,
  image,
})

/** The weakest first: field by field, and variables one by one. */
export const mergeProxySettings = (...layers: readonly ProxySettings[]): ProxySettings => ({
  ...Object.assign(
    {},
    ...layers.map((layer) => Object.fromEntries(Object.entries(layer).filter(([, value]) => value !== undefined))),
  ),
  proxyMetadata: Object.assign({}, ...layers.map(({ proxyMetadata }) => proxyMetadata)),
})
