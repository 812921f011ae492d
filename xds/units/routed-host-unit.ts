import { buildVirtualHostResource } from '#xds/build/build-virtual-host.ts'
import { compileEgress } from '#xds/compile/compile-egress.ts'
import { compileRoutedHost } from '#xds/compile/compile-routed-host.ts'
import { collectProblems } from '#xds/compile/report.ts'
import { webPort } from '#xds/compile/compile-virtual-host.ts'
import { findVisible } from '#xds/compile/select-service.ts'
import { findSidecar } from '#xds/compile/select-sidecar.ts'
import type { Unit } from '#xds/incremental/unit.ts'
import { capturedPortUnit } from './captured-port-unit.ts'
import { toClientKey, toToldClientKey, type Client, type Told } from './client.ts'
import { toHostCandidate } from './host-unit.ts'
import { upstreamsUnit } from './upstreams-unit.ts'

/** A host that VirtualServices alone know to a class of sidecars. */
const routedHostUnit = (client: Client, sidecarKey: string, host: string): Unit => ({
  key: `routed-host|${toClientKey(client)}|${sidecarKey}|${host}`,
  compile(view) {
    const { problems, report } = collectProblems()
    const egress = compileEgress(view.meshConfig(), findSidecar(view, sidecarKey), client)
    const compiled = compileRoutedHost(view, egress, host, client, report)
    return {
      resources: compiled.map(({ virtualHost }) => buildVirtualHostResource(virtualHost)),
      includes: compiled.flatMap(({ reached }) => reached.map((each) => upstreamsUnit(view, each, client))),
      problems,
    }
  },
})

/**
 * The hosts that VirtualServices alone know to a class of sidecars, and the port of the web, where captured connections to them go. Apart
 * from the class: a VirtualService for another host is no reason to look at all services again.
 */
export const routedHostsUnit = (client: Client & Told, sidecarKey: string): Unit => ({
  key: `routed-hosts|${toToldClientKey(client)}|${sidecarKey}`,
  compile(view) {
    const hosts = view.routedHosts()
    if (hosts.length === 0) return {}
    const egress = compileEgress(view.meshConfig(), findSidecar(view, sidecarKey), client)
    const { points, captured } = egress
    const hasPorts = captured !== undefined || points.some(({ scope }) => scope?.port !== undefined)
    const onWebPort = new Set(hasPorts ? view.servicesOnPort(webPort) : [])
    const isServed = (host: string): boolean => {
      const services = findVisible(view, view.servicesByHostname(host), client.namespace).filter(
        ({ key }) => toHostCandidate(egress, key) !== undefined,
      )
      return services.length > 0 && (!hasPorts || services.some(({ key }) => onWebPort.has(key)))
    }
    return {
      includes: [
        ...hosts.filter((host) => !isServed(host)).map((host) => routedHostUnit(client, sidecarKey, host)),
        ...(captured ? [capturedPortUnit(webPort, client, sidecarKey)] : []),
      ],
    }
  },
})
