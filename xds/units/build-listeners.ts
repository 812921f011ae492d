import type { MeshView } from '#mesh/view.ts'
import { buildListener } from '#xds/build/build-listener.ts'
import { closeUnreadable, toFiles } from '#xds/compile/close-unreadable.ts'
import { compileListenerDefaults } from '#xds/compile/compile-listener-defaults.ts'
import type { UnitResource } from '#xds/incremental/unit.ts'
import type { Listener } from '#xds/model/listener.ts'
import type { ListenerDefaults } from '#xds/model/listener-defaults.ts'
import type { LeftOut } from '#xds/resource-set.ts'

/** Listeners with what the mesh's settings say of all of them. */
export const buildListeners = (view: MeshView, listeners: readonly Listener[]): UnitResource[] => {
  const defaults = compileListenerDefaults(view.meshConfig())
  return listeners.map((listener) => buildWithFallbacks(listener, defaults, []))
}

/** `closed`: of whom chains answer nobody already. */
const buildWithFallbacks = (
  listener: Listener,
  defaults: ListenerDefaults,
  closed: readonly LeftOut[],
): UnitResource => {
  const { type, resource } = buildListener(listener, defaults)
  if (!listener.chains.some((chain) => toFiles(chain).length > 0)) return { type, resource }
  const fallbacks = (reason: string) => {
    const before = closed.map(({ object }) => object)
    const other = closeUnreadable(listener, reason, before)
    if (!other) return []
    const without = [...closed, ...other.closed.map((object) => ({ object, reason }))]
    return [{ resource: buildWithFallbacks(other.listener, defaults, without).resource, without }]
  }
  return { type, resource: { ...resource, fallbacks } }
}
