import { toServiceHostname, toServiceKey, type ServiceKey } from '#mesh/names.ts'
import type { Service } from '#mesh/service.ts'
import type { MeshView } from '#mesh/view.ts'
import { isVisibleFrom } from '#mesh/visibility.ts'
import { isTakenBy, type HostFilter } from './host-filter.ts'

/** The services of these that clients of a namespace may call. */
export const findVisible = (view: MeshView, candidates: readonly ServiceKey[], clientNamespace: string): Service[] =>
  candidates.flatMap((key) => {
    const service = view.service(key)
    return service && isVisibleFrom(service, clientNamespace) ? service : []
  })

/**
 * Which of the services with one host name clients of a namespace mean: that of their own namespace, else a `Service`, else the first by
 * key, of those that they may call. None when the host is what they call a `Service` for short.
 */
export const selectService = (
  view: MeshView,
  candidates: readonly ServiceKey[],
  clientNamespace: string,
): Service | undefined => {
  const visible = findVisible(view, candidates, clientNamespace)
  const [first] = visible
  if (!first || isShortForAnother(view, first.hostname, clientNamespace)) return undefined
  return preferService(visible, clientNamespace)
}

/** Of services with one host name: that of the clients' own namespace, else a `Service`, else the first. */
export const preferService = (services: readonly Service[], clientNamespace: string): Service | undefined =>
  services.find(({ namespace }) => namespace === clientNamespace) ??
  services.find(({ source }) => source === 'service') ??
  services[0]

/** What clients call a service by: the service itself, or an alias of it. */
export interface NamedService {
  readonly named: Service
  readonly service: Service
}

/** Whether filters that take a name take what it stands for as well: an alias alone leads nowhere (as in Istio). */
export const isReachedBy = (filters: readonly HostFilter[], { named, service }: NamedService): boolean =>
  named.key === service.key || isTakenBy(filters, service.namespace, service.hostname)

/**
 * What clients of a namespace reach by a service: itself or, by an alias, the service that it is another name of. An alias of what is no
 * service to them stands for itself.
 */
export const resolveAlias = (view: MeshView, service: Service, clientNamespace: string): Service => {
  const seen = new Set<ServiceKey>()
  let reached = service
  while (reached.aliasOf !== undefined && !seen.has(reached.key)) {
    seen.add(reached.key)
    const next = selectService(view, view.servicesByHostname(reached.aliasOf), clientNamespace)
    if (!next) return reached
    reached = next
  }
  return reached
}

/** Whether a short name of a `Service` is nevertheless the host of another: its own namespace alone may say so. */
export const isTakenShortName = (view: MeshView, shortName: string, namespace: string): boolean =>
  view.servicesByHostname(shortName).includes(toServiceKey(namespace, shortName))

/** The `Service` that clients of a namespace call so for short. */
export const findByShortName = (view: MeshView, shortName: string, clientNamespace: string): Service | undefined => {
  const [name = '', namespace = clientNamespace, zone = 'svc', ...more] = shortName.split('.')
  if (zone !== 'svc' || more.length > 0) return undefined
  const service = view.service(
    toServiceKey(namespace, toServiceHostname(name, namespace, view.settings().domainSuffix)),
  )
  return service?.source === 'service' ? service : undefined
}

const isShortForAnother = (view: MeshView, hostname: string, clientNamespace: string): boolean => {
  const service = findByShortName(view, hostname, clientNamespace)
  return service !== undefined && !isTakenShortName(view, hostname, service.namespace)
}
