import { findWasmPlugins } from '#mesh/security/select-wasm-plugins.ts'
import { resolveTelemetry } from '#mesh/telemetry/resolve-telemetry.ts'
import { findTelemetries } from '#mesh/telemetry/select-telemetries.ts'
import type { CallSide, TelemetryForProxy } from '#mesh/telemetry/telemetry-for-proxy.ts'
import { toTelemetryParts } from '#mesh/telemetry/telemetry-parts.ts'
import { getOrAdd } from '#mesh/merge/get-or-add.ts'
import type { ProviderService } from '#mesh/config/schema/provider-services.ts'
import type { MeshView } from '#mesh/view.ts'
import { buildListener } from '#xds/build/build-listener.ts'
import { closeUnreadable, toFiles } from '#xds/compile/close-unreadable.ts'
import type { FindServer } from '#xds/compile/compile-access-logs.ts'
import { compileListenerDefaults } from '#xds/compile/compile-listener-defaults.ts'
import { placePlugin } from '#xds/compile/compile-wasm-plugin.ts'
import { findProviderServer } from '#xds/compile/find-provider-server.ts'
import type { UnitResource } from '#xds/incremental/unit.ts'
import { isCalled } from '#xds/model/is-called.ts'
import type { Listener } from '#xds/model/listener.ts'
import type { ListenerDefaults } from '#xds/model/listener-defaults.ts'
import type { Fallback, LeftOut } from '#xds/resource-set.ts'
import type { Told } from './client.ts'

/** Listeners with what the mesh's settings say of all of them, Telemetry objects of these, and the filters of their WasmPlugins. */
export const buildListeners = (view: MeshView, listeners: readonly Listener[], told: Told): UnitResource[] => {
  const settings = view.meshConfig()
  const objects = findTelemetries(view, told.telemetry)
  const telemetry = resolveTelemetry(settings, objects)
  const findServer = createFindServer(view, told.namespace)
  const teller = { sender: told.sender, findServer }
  const plugins = findWasmPlugins(view, told.plugins).map(placePlugin)
  const compile = (side: CallSide): DefaultsOfSide => {
    const compileFor = (changed: TelemetryForProxy): ListenerDefaults => ({
      ...compileListenerDefaults(settings, changed, side, teller),
      ...(plugins.length > 0 && { plugins }),
    })
    const parts = toTelemetryParts(objects, telemetry, side)
    const less = parts.map(({ writers, without }) => ({ writers, defaults: () => compileFor(without(telemetry)) }))
    const writers = [...new Set(parts.flatMap((part) => part.writers))]
    const plain = () => compileFor(parts.reduce((changed, { without }) => without(changed), telemetry))
    return {
      defaults: compileFor(telemetry),
      less: parts.length > 1 ? [...less, { writers, defaults: plain }] : less,
    }
  }
  const bySide = new Map<CallSide, DefaultsOfSide>()
  return listeners.map((listener) => {
    const side = toSide(listener)
    return buildWithFallbacks(
      listener,
      getOrAdd(bySide, side, () => compile(side)),
      [],
    )
  })
}

/** What is found is kept: when it comes to what may be served instead, the view may be another one. */
const createFindServer = (view: MeshView, namespace: string): FindServer => {
  const found = new Map<ProviderService, ReturnType<typeof findProviderServer>>()
  return (provider) => {
    const server = getOrAdd(found, provider, () => findProviderServer(view, provider, namespace))
    return server.ok ? server.value : undefined
  }
}

interface DefaultsOfSide {
  readonly defaults: ListenerDefaults
  /** The same without parts of what proxies tell, each in turn, at last without all. */
  readonly less: readonly { readonly writers: readonly string[]; readonly defaults: () => ListenerDefaults }[]
}

const toSide = (listener: Listener): CallSide => (isCalled(listener) ? 'server' : 'client')

/** `left`: what is left out already. */
const buildWithFallbacks = (
  listener: Listener,
  { defaults, less }: DefaultsOfSide,
  left: readonly LeftOut[],
): UnitResource => {
  const { type, resource } = buildListener(listener, defaults)
  if (less.length === 0 && !listener.chains.some((chain) => toFiles(chain).length > 0)) return { type, resource }
  const fallbacks = (reason: string): readonly Fallback[] => {
    const before = left.map(({ object }) => object)
    const other = closeUnreadable(listener, reason, before)
    if (other) {
      const without = [...left, ...other.closed.map((object) => ({ object, reason }))]
      return [{ resource: buildWithFallbacks(other.listener, { defaults, less }, without).resource, without }]
    }
    return less.flatMap((each): readonly Fallback[] => {
      const without = [...left, ...each.writers.map((object) => ({ object, reason }))]
      const changed = buildWithFallbacks(listener, { defaults: each.defaults(), less: [] }, without).resource
      return changed.version === resource.version ? [] : [{ resource: changed, without, isTrial: true }]
    })
  }
  return { type, resource: { ...resource, fallbacks } }
}
