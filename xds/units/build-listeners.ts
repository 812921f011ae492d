import type { MeshView } from '#mesh/view.ts'
import { buildListener } from '#xds/build/build-listener.ts'
import { compileListenerDefaults } from '#xds/compile/compile-listener-defaults.ts'
import type { UnitResource } from '#xds/incremental/unit.ts'
import type { Listener } from '#xds/model/listener.ts'

/** Listeners with what the mesh's settings say of all of them. */
export const buildListeners = (view: MeshView, listeners: readonly Listener[]): UnitResource[] => {
  const defaults = compileListenerDefaults(view.meshConfig())
  return listeners.map((listener) => buildListener(listener, defaults))
}
