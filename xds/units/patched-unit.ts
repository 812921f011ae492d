import type { MeshView } from '#mesh/view.ts'
import type { Unit, UnitOutput } from '#xds/incremental/unit.ts'
import { readPatches } from '#xds/patch/read-patches.ts'
import { createResourcePatcher, toAddedResources } from '#xds/patch/resource-patcher.ts'
import { toSelectionKey, type SelectedFilter } from '#xds/patch/select-patches.ts'
import type { ProxyRole } from '#xds/proxy.ts'

/** What a proxy has, changed by the EnvoyFilters that select it: its own resources, and those of its class. */
export const patchOutput = (
  view: MeshView,
  output: UnitOutput,
  role: ProxyRole,
  filters: readonly SelectedFilter[],
): UnitOutput => {
  if (filters.length === 0) return output
  const { sharedRoot } = output
  return {
    ...output,
    ...(sharedRoot && { sharedRoot: patchedUnit(sharedRoot, role, filters) }),
    patcher: createResourcePatcher(readPatches(view, filters).patches, role),
  }
}

/** A class of proxies that the same patches are for. What they add to a proxy is in its class's set. */
const patchedUnit = (root: Unit, role: ProxyRole, filters: readonly SelectedFilter[]): Unit => ({
  key: `${root.key}|patched|${toSelectionKey(filters)}`,
  compile(view) {
    const { patches, problems } = readPatches(view, filters)
    return {
      includes: [root],
      patcher: createResourcePatcher(patches, role, toAddedResources(patches, role)),
      problems,
    }
  },
})
