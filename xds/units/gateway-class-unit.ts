import { compileGatewayUpstreams } from '#xds/compile/compile-gateway.ts'
import { collectProblems } from '#xds/compile/report.ts'
import type { ServiceKey } from '#mesh/names.ts'
import type { Unit } from '#xds/incremental/unit.ts'
import { buildUpstreams } from './upstreams-unit.ts'

/** What all east-west gateways of a cluster have in common: the services that other networks may reach through them. */
export const gatewayClassUnit: Unit = {
  key: 'east-west-gateways',
  compile: (view) => ({ includes: view.serviceKeys().map(gatewayServiceUnit) }),
}

/** SNI names a host, not a namespace: of several shared services with one host name the first counts. */
export const gatewayServiceUnit = (serviceKey: ServiceKey): Unit => ({
  key: `gateway-upstreams|${serviceKey}`,
  compile(view) {
    const service = view.service(serviceKey)
    if (!service || service.aliasOf !== undefined || view.servicesByHostname(service.hostname)[0] !== serviceKey)
      return {}
    const { problems, report } = collectProblems()
    return { resources: buildUpstreams(compileGatewayUpstreams(view, service, report)), problems }
  },
})
