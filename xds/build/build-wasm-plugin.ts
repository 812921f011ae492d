import { StringValueSchema } from '@bufbuild/protobuf/wkt'
import { RBAC_Action as Action } from '#envoy/envoy/config/rbac/v3/rbac_pb.ts'
import { RBACSchema } from '#envoy/envoy/extensions/filters/http/rbac/v3/rbac_pb.ts'
import { WasmSchema } from '#envoy/envoy/extensions/filters/http/wasm/v3/wasm_pb.ts'
import { RBACSchema as NetworkRbacSchema } from '#envoy/envoy/extensions/filters/network/rbac/v3/rbac_pb.ts'
import { WasmSchema as NetworkWasmSchema } from '#envoy/envoy/extensions/filters/network/wasm/v3/wasm_pb.ts'
import { FailurePolicy, type PluginConfigSchema } from '#envoy/envoy/extensions/wasm/v3/wasm_pb.ts'
import type { UnitResource } from '#xds/incremental/unit.ts'
import type { PlacedPlugin, PluginPhase, RunPlugin } from '#xds/model/wasm-plugin.ts'
import type { Fallback } from '#xds/resource-set.ts'
import { toAny } from './any.ts'
import { buildRefusal } from './build-refusal.ts'
import { buildDiscovered, toDiscovered } from './discovered-filter.ts'
import type { MessageFields } from './message-fields.ts'

/** The filters of HTTP that listeners name for the plugins of a phase. */
export const pluginFilters = (plugins: readonly PlacedPlugin[] = [], phase: PluginPhase) =>
  plugins
    .filter((plugin) => plugin.layer === 'http' && plugin.phase === phase)
    .map(({ name }) => toDiscovered(name, RBACSchema, WasmSchema))

/** The same of connections, whatever is spoken on them. */
export const networkPluginFilters = (plugins: readonly PlacedPlugin[] = [], ...phases: readonly PluginPhase[]) =>
  phases.flatMap((phase) =>
    plugins
      .filter((plugin) => plugin.layer === 'network' && plugin.phase === phase)
      .map(({ name }) => toDiscovered(name, NetworkRbacSchema, NetworkWasmSchema)),
  )

/** What a plugin's filter does. One that can not be run, or that the proxy refuses, lets nobody past it, unless it may fail. */
export const buildWasmPlugin = (plugin: RunPlugin): UnitResource => {
  const { runs, name, layer, object, onFailure } = plugin
  const without = onFailure === 'open' ? buildOpen(name, layer) : buildClosed(name, layer)
  if (!runs) return without
  const config = buildConfig(runs, onFailure)
  const built =
    layer === 'http'
      ? buildDiscovered(name, WasmSchema, { config })
      : buildDiscovered(name, NetworkWasmSchema, { config })
  const fallbacks = (reason: string): readonly Fallback[] => [
    { resource: without.resource, without: [{ object, reason }] },
  ]
  return { ...built, resource: { ...built.resource, fallbacks } }
}

const policies = {
  close: FailurePolicy.FAIL_CLOSED,
  open: FailurePolicy.FAIL_OPEN,
  reload: FailurePolicy.FAIL_RELOAD,
} as const

/** The code is in it: proxies have no disk that the agent could put it on, and what is fetched later is missing until then (docs/decisions/0034). */
const buildConfig = (
  { label, code, rootId, configuration, hostVariables, variables }: NonNullable<RunPlugin['runs']>,
  onFailure: RunPlugin['onFailure'],
): MessageFields<typeof PluginConfigSchema> => ({
  name: label,
  rootId,
  failurePolicy: policies[onFailure],
  ...(configuration !== '' && { configuration: toAny(StringValueSchema, { value: configuration }) }),
  vm: {
    case: 'vmConfig',
    value: {
      runtime: 'envoy.wasm.runtime.v8',
      code: { specifier: { case: 'local', value: { specifier: { case: 'inlineBytes', value: code } } } },
      ...((hostVariables.length > 0 || Object.keys(variables).length > 0) && {
        environmentVariables: { hostEnvKeys: [...hostVariables], keyValues: variables },
      }),
    },
  },
})

const statPrefix = 'atoll-plugin.'

const buildOpen = (name: string, layer: PlacedPlugin['layer']): UnitResource =>
  layer === 'http' ? buildDiscovered(name, RBACSchema, {}) : buildDiscovered(name, NetworkRbacSchema, { statPrefix })

const buildClosed = (name: string, layer: PlacedPlugin['layer']): UnitResource =>
  layer === 'http'
    ? buildRefusal(name, 'plugin-not-run')
    : buildDiscovered(name, NetworkRbacSchema, {
        statPrefix,
        rules: {
          action: Action.DENY,
          policies: {
            'plugin-not-run': {
              permissions: [{ rule: { case: 'any', value: true } }],
              principals: [{ identifier: { case: 'any', value: true } }],
            },
          },
        },
      })
