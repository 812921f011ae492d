import { parseObjectKey, toObjectKey, type Configured } from '#mesh/config-object.ts'
import type { SidecarSpec } from '#mesh/config/sidecar.ts'
import { hasLabelsThere, type Place } from '#mesh/topology.ts'
import type { MeshView } from '#mesh/view.ts'

export type SidecarObject = Configured<SidecarSpec>

/**
 * The Sidecar object for a workload: one of its namespace whose selector fits, else its namespace's without a selector, else the root
 * namespace's without one; the oldest of several. Istio reference: Sidecar.
 */
export const selectSidecar = (view: MeshView, namespace: string, place: Place): SidecarObject | undefined => {
  const own = view.sidecars(namespace)
  return (
    own.find((sidecar) => hasSelector(sidecar) && isSelected(sidecar, place)) ??
    own.find((sidecar) => !hasSelector(sidecar)) ??
    view.sidecars(view.meshConfig().rootNamespace).find((sidecar) => !hasSelector(sidecar))
  )
}

/** The Sidecar of this key, when there still is one. */
export const findSidecar = (view: MeshView, key: string): SidecarObject | undefined => {
  const { namespace = '' } = parseObjectKey(key) ?? {}
  return view.sidecars(namespace).find((sidecar) => toSidecarKey(sidecar) === key)
}

export const toSidecarKey = ({ metadata }: SidecarObject): string =>
  toObjectKey('Sidecar', metadata.namespace, metadata.name)

const toSelector = ({ spec }: SidecarObject) => spec.workloadSelector?.labels ?? {}
const hasSelector = (sidecar: SidecarObject): boolean => Object.keys(toSelector(sidecar)).length > 0
const isSelected = (sidecar: SidecarObject, place: Place): boolean => hasLabelsThere(place, toSelector(sidecar))
