import type { ServiceKey } from '#mesh/names.ts'
import type { Service } from '#mesh/service.ts'
import type { MeshView } from '#mesh/view.ts'
import { isVisibleFrom } from '#mesh/visibility.ts'

/**
 * Which of the services with one host name clients of a namespace mean: that of their own namespace, else the first by key
 * that they may call.
 */
export const selectService = (
  view: MeshView,
  candidates: readonly ServiceKey[],
  clientNamespace: string,
): Service | undefined => {
  let selected: Service | undefined
  for (const key of candidates) {
    const service = view.service(key)
    if (!service || !isVisibleFrom(service, clientNamespace)) continue
    if (service.namespace === clientNamespace) return service
    selected ??= service
  }
  return selected
}
