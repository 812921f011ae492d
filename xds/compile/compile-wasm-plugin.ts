import { toCanonicalJson } from '#mesh/canonical-json.ts'
import { objectKeyOf, type Sourced } from '#mesh/config-object.ts'
import type { WasmPluginSpec } from '#mesh/config/wasm-plugin.ts'
import type { MeshView } from '#mesh/view.ts'
import { toModuleKey } from '#mesh/wasm/module-source.ts'
import type { PlacedPlugin, PluginPhase, RunPlugin } from '#xds/model/wasm-plugin.ts'
import type { Report } from './report.ts'
import { toPluginFilterName } from './resource-names.ts'

type WasmPlugin = Sourced<WasmPluginSpec>

const phases: Readonly<Record<WasmPluginSpec['phase'], PluginPhase>> = {
  AUTHN: 'authn',
  AUTHZ: 'authz',
  STATS: 'stats',
  UNSPECIFIED_PHASE: 'last',
}

/** What listeners have of a WasmPlugin (Istio reference: WasmPlugin.phase, .match, .type). */
export const placePlugin = (plugin: WasmPlugin): PlacedPlugin => {
  const { spec } = plugin
  return {
    ...toFilter(plugin),
    phase: phases[spec.phase],
    traffic: spec.match.map(({ mode, ports }) => ({
      ...(mode === 'CLIENT' && { side: 'client' as const }),
      ...(mode === 'SERVER' && { side: 'server' as const }),
      ports: ports.map(({ number }) => number),
    })),
  }
}

const toFilter = ({ metadata, origin, spec: { type } }: WasmPlugin): Pick<PlacedPlugin, 'name' | 'layer'> => {
  const layer = type === 'NETWORK' ? 'network' : 'http'
  return { name: toPluginFilterName(metadata, origin, layer), layer }
}

const onFailure = { FAIL_CLOSE: 'close', FAIL_OPEN: 'open', FAIL_RELOAD: 'reload' } as const

/** What the filter of a WasmPlugin does; undefined = nobody knows yet: its module is on its way. */
export const compileWasmPlugin = (
  view: Pick<MeshView, 'wasmModule'>,
  plugin: WasmPlugin,
  report: Report,
): RunPlugin | undefined => {
  const { metadata, spec } = plugin
  const key = toModuleKey(spec, metadata.namespace)
  const module = key && view.wasmModule(key)
  if (key !== undefined && !module) return undefined
  const common = { ...toFilter(plugin), object: objectKeyOf(plugin), onFailure: onFailure[spec.failStrategy] }
  if (!module || 'fault' in module) {
    if (module) report(common.object, `spec.url: ${module.fault}: ${toEffect(common)}`)
    return common
  }
  const variables = spec.vmConfig?.env ?? []
  const isEmpty = Object.keys(spec.pluginConfig ?? {}).length === 0
  return {
    ...common,
    runs: {
      label: `${metadata.namespace}.${metadata.name}`,
      code: module.code,
      rootId: spec.pluginName ?? '',
      configuration: isEmpty ? '' : toCanonicalJson(spec.pluginConfig),
      hostVariables: variables.filter(({ valueFrom }) => valueFrom === 'HOST').map(({ name }) => name),
      variables: Object.fromEntries(
        variables
          .filter(({ valueFrom }) => valueFrom === 'INLINE')
          .map(({ name, value }): readonly [string, string] => [name, value ?? '']),
      ),
    },
  }
}

const toEffect = ({ onFailure, layer }: Pick<RunPlugin, 'onFailure' | 'layer'>): string => {
  const what = layer === 'http' ? 'requests' : 'connections'
  return onFailure === 'open' ? `${what} go past it, as its failStrategy says` : `no ${what} get past it`
}
