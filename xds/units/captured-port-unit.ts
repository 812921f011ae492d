import type { ServiceKey } from '#mesh/names.ts'
import { buildRouteConfigurationResource } from '#xds/build/build-route-configuration.ts'
import { compileCapturedAddress, compileCapturedPort } from '#xds/compile/compile-captured-port.ts'
import { compileCapturedCatchAll } from '#xds/compile/compile-catch-all.ts'
import { compileEgress, toHostsIn } from '#xds/compile/compile-egress.ts'
import type { TcpClient } from '#xds/compile/compile-service-tcp.ts'
import { collectProblems } from '#xds/compile/report.ts'
import { toCapturedScope } from '#xds/compile/route-scope.ts'
import { findSidecar } from '#xds/compile/select-sidecar.ts'
import type { Unit } from '#xds/incremental/unit.ts'
import { buildListeners } from './build-listeners.ts'
import { toConnectionKey, type Told } from './client.ts'

/** What takes the captured connections of a class to one port. Depends on the services that have this port, and on no other. */
export const capturedPortUnit = (number: number, client: TcpClient & Told, sidecarKey: string): Unit => ({
  key: `captured-port|${number}|${toConnectionKey(client)}|${sidecarKey}`,
  compile(view) {
    const { problems, report } = collectProblems()
    const egress = compileEgress(view.meshConfig(), findSidecar(view, sidecarKey), client)
    const { listener, hasRoutes, byAddress } = compileCapturedPort(view, egress, { number, client }, report)
    const routes = compileCapturedCatchAll(egress)
    return {
      resources: [
        ...buildListeners(view, listener ? [listener] : [], client),
        ...(hasRoutes ? [buildRouteConfigurationResource(toCapturedScope(number).name, routes)] : []),
      ],
      includes: byAddress.map(({ address, service }) =>
        capturedAddressUnit(address, number, service, client, sidecarKey),
      ),
      problems,
    }
  },
})

const capturedAddressUnit = (
  address: string,
  number: number,
  serviceKey: ServiceKey,
  client: TcpClient & Told,
  sidecarKey: string,
): Unit => ({
  key: `captured-address|${address}|${number}|${serviceKey}|${toConnectionKey(client)}|${sidecarKey}`,
  compile(view) {
    const service = view.service(serviceKey)
    const port = service?.ports.find((each) => each.number === number)
    if (!service || !port) return {}
    const { problems, report } = collectProblems()
    const egress = compileEgress(view.meshConfig(), findSidecar(view, sidecarKey), client)
    const target = { service, port, statPort: number, hosts: toHostsIn(egress, toCapturedScope(number)) }
    const listener = compileCapturedAddress(view, address, target, client, report)
    return { resources: buildListeners(view, [listener], client), problems }
  },
})
