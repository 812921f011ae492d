import { splitServiceKey } from '#mesh/names.ts'
import type { MeshView } from '#mesh/view.ts'
import { buildCluster } from '#xds/build/build-cluster.ts'
import { buildRouteConfigurationResource } from '#xds/build/build-route-configuration.ts'
import { compileCatchAll, toPassthrough } from '#xds/compile/compile-catch-all.ts'
import { compileEgress, type Egress } from '#xds/compile/compile-egress.ts'
import { blackHole, compileGate } from '#xds/compile/compile-gate.ts'
import { noCollector } from '#xds/compile/compile-tracing.ts'
import type { TcpClient } from '#xds/compile/compile-service-tcp.ts'
import { passthroughUpstream } from '#xds/compile/resource-names.ts'
import { findSidecar } from '#xds/compile/select-sidecar.ts'
import type { Unit, UnitOutput } from '#xds/incremental/unit.ts'
import { buildListeners } from './build-listeners.ts'
import { capturedPortUnit } from './captured-port-unit.ts'
import { toConnectionKey, toToldClientKey, type Client, type Told } from './client.ts'
import { hostUnit, toHostCandidate, type HostCandidate } from './host-unit.ts'
import { outboundUnit } from './outbound-unit.ts'
import { routedHostsUnit } from './routed-host-unit.ts'
import { askedUpstreamsUnit, toldUpstreamsUnit } from './told-upstreams-unit.ts'

/**
 * What all sidecars of a namespace have in common to which the same Sidecar object applies: route configurations, virtual hosts,
 * EnvoyClusters and their endpoints, and the listeners for captured connections. The locality tells classes apart that prefer different
 * endpoints.
 */
export const sidecarClassUnit = (client: Client & Told, sidecarKey: string): Unit => ({
  key: `sidecars|${toToldClientKey(client)}|${sidecarKey}`,
  compile(view) {
    const meshConfig = view.meshConfig()
    const egress = compileEgress(meshConfig, findSidecar(view, sidecarKey), client)
    const routes = egress.points.flatMap((point) => {
      const catchAll = compileCatchAll(point, meshConfig, egress)
      return point.scope ? buildRouteConfigurationResource(point.scope.name, catchAll) : []
    })
    const passthrough = egress.unknown === passthroughUpstream ? [buildCluster(toPassthrough(client.isCaptured))] : []
    const candidates = findCandidates(view, egress)
    const captured = client.isCaptured ? compileCaptured(view, client, sidecarKey) : {}
    return {
      resources: [buildCluster(noCollector), ...passthrough, ...routes, ...(captured.resources ?? [])],
      includes: [
        ...[...candidates.values()].map((each) => hostUnit(client, sidecarKey, each)),
        routedHostsUnit(client, sidecarKey),
        toldUpstreamsUnit(client, sidecarKey),
        askedUpstreamsUnit(client, sidecarKey),
        ...(captured.includes ?? []),
      ],
    }
  },
})

/** By host name. */
const findCandidates = (view: MeshView, egress: Egress): ReadonlyMap<string, readonly HostCandidate[]> =>
  Map.groupBy(
    view.serviceKeys().flatMap((service) => toHostCandidate(egress, service) ?? []),
    ({ service }) => splitServiceKey(service).hostname,
  )

const loopback = '127.0.0.1'

/** Apart from the class: what its listeners tell of calls is no reason to look at all services again. */
const gateUnit = (client: TcpClient & Told, sidecarKey: string): Unit => ({
  key: `gate|${toConnectionKey(client)}|${sidecarKey}`,
  compile(view) {
    const egress = compileEgress(view.meshConfig(), findSidecar(view, sidecarKey), client)
    return { resources: buildListeners(view, [compileGate(egress, sidecarKey)], client) }
  },
})

const compileCaptured = (view: MeshView, client: Client & Told, sidecarKey: string): UnitOutput => ({
  resources: [buildCluster(blackHole)],
  includes: [
    gateUnit(client, sidecarKey),
    outboundUnit({ ...client, loopback }, sidecarKey),
    ...view.servicePorts().map((port) => capturedPortUnit(port, client, sidecarKey)),
  ],
})
