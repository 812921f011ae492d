import { buildCluster } from '#xds/build/build-cluster.ts'
import { buildRouteConfigurationResource } from '#xds/build/build-route-configuration.ts'
import { compileCatchAll, passthrough } from '#xds/compile/compile-catch-all.ts'
import { compileEgress, toPointsFor } from '#xds/compile/compile-egress.ts'
import { findSidecar } from '#xds/compile/select-sidecar.ts'
import type { Unit } from '#xds/incremental/unit.ts'
import { getOrAdd } from '#mesh/merge/get-or-add.ts'
import { hostUnit, type Client, type HostCandidate } from './host-unit.ts'

/**
 * What all sidecars of a namespace have in common to which the same Sidecar object applies: route configurations, virtual hosts,
 * EnvoyClusters and their endpoints. The locality tells classes apart that prefer different endpoints.
 */
export const sidecarClassUnit = (client: Client, sidecarKey: string): Unit => ({
  key: `sidecars|${client.namespace}|${client.locality}|${sidecarKey}`,
  compile(view) {
    const settings = view.settings()
    const egress = compileEgress(settings, findSidecar(view, sidecarKey))
    const candidates = new Map<string, HostCandidate[]>()
    for (const service of view.serviceKeys()) {
      const slash = service.indexOf('/')
      const hostname = service.slice(slash + 1)
      const points = toPointsFor(egress, service.slice(0, slash), hostname)
      if (points.length === 0) continue
      const scopes = points.flatMap(({ scope }) => scope ?? [])
      getOrAdd(candidates, hostname, (): HostCandidate[] => []).push({ service, scopes })
    }
    const routes = egress.points.flatMap((point) => {
      const catchAll = compileCatchAll(point, settings, egress.allowsUnknown)
      return point.scope ? buildRouteConfigurationResource(point.scope.name, catchAll) : []
    })
    return {
      resources: egress.allowsUnknown ? [buildCluster(passthrough), ...routes] : routes,
      includes: [...candidates.values()].map((each) => hostUnit(client, each)),
    }
  },
})
