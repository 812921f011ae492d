import type { Configured } from '../config-object.ts'
import { isForSidecars } from '../config/schema/gateway-names.ts'
import type { VirtualServiceSpec } from '../config/virtual-service.ts'
import { resolveHost } from '../merge/resolve-host.ts'
import type { Problem } from '../problem.ts'
import { nameOf, problemOf, type AnalyzedObjects } from './analyzed-objects.ts'

/**
 * Gateways' routes to a service whose own VirtualService tells its subsets apart: that one is for sidecars, and a gateway sends to all
 * endpoints. Istio: "IngressRouteRulesNotAffected".
 */
export const findIneffectiveRoutes = (
  { virtualServices }: AnalyzedObjects,
  domainSuffix: string,
): readonly Problem[] => {
  const bySubset = new Map<string, Configured<VirtualServiceSpec>>()
  for (const object of virtualServices) {
    if (!isForSidecars(object.spec.gateways)) continue
    const resolve = (host: string) => resolveHost(host, object.metadata.namespace, domainSuffix)
    const own = new Set(object.spec.hosts.map(resolve))
    for (const { destination } of (object.spec.http ?? []).flatMap(({ route = [] }) => route)) {
      const host = resolve(destination.host)
      if (destination.subset !== undefined && own.has(host)) bySubset.set(host, object)
    }
  }
  return virtualServices.flatMap((object) => {
    if (isForSidecars(object.spec.gateways)) return []
    return (object.spec.http ?? []).flatMap(({ route = [] }, index) =>
      route.flatMap(({ destination: { host, subset } }, place) => {
        const other = bySubset.get(resolveHost(host, object.metadata.namespace, domainSuffix))
        if (!other || subset !== undefined) return []
        const path = ['spec', 'http', index, 'route', place, 'destination']
        const message = `the subsets of ${nameOf(other)} are for sidecars: from here it goes to all of ${host}`
        return [problemOf(object, 'ineffective', 'warning', path, message)]
      }),
    )
  })
}
