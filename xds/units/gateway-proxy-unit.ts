import { isSubsetOfHost } from '#mesh/config/schema/host-names.ts'
import { splitServiceKey } from '#mesh/names.ts'
import { buildCluster } from '#xds/build/build-cluster.ts'
import { buildRouteConfigurationResource } from '#xds/build/build-route-configuration.ts'
import { buildVirtualHostResource } from '#xds/build/build-virtual-host.ts'
import { compileGatewayObjects, type GatewayPlace } from '#xds/compile/compile-gateway-listeners.ts'
import { compileGatewayVirtualHost } from '#xds/compile/compile-gateway-virtual-host.ts'
import type { ServerKey } from '#xds/compile/merge-servers.ts'
import { noCollector } from '#xds/compile/compile-tracing.ts'
import { planGatewayHosts, type GatewayHost } from '#xds/compile/plan-gateway-hosts.ts'
import { collectProblems } from '#xds/compile/report.ts'
import type { Unit } from '#xds/incremental/unit.ts'
import { buildListeners } from './build-listeners.ts'
import { toClientKey, toToldClientKey, type Client, type Told } from './client.ts'
import { gatewayServiceUnit } from './gateway-class-unit.ts'
import { askedUpstreamsUnit, toldUpstreamsUnit } from './told-upstreams-unit.ts'
import { upstreamsUnit } from './upstreams-unit.ts'

/** What all gateways have in common that the same Gateway objects select: listeners, routes and what these lead to. */
export const gatewayProxyClassUnit = (client: Client & Told, place: GatewayPlace): Unit => ({
  key: `gateways|${toToldClientKey(client)}|${place.address}|${place.gateways.join(',')}|${place.policies}|${JSON.stringify(place.listenPorts)}`,
  compile(view) {
    const { problems, report } = collectProblems()
    const { listeners, routes, reached, passedOn } = compileGatewayObjects(view, place, report)
    return {
      resources: [buildCluster(noCollector), ...buildListeners(view, listeners, client)],
      includes: [
        ...[...routes].map(([name, servers]) => gatewayRoutesUnit(client, name, servers)),
        ...reached.map((each) => upstreamsUnit(view, each, client)),
        toldUpstreamsUnit(client),
        askedUpstreamsUnit(client),
        ...(passedOn.length > 0 ? [passedOnUnit(passedOn)] : []),
      ],
      problems,
    }
  },
})

/** The services that connections are passed on to by SNI. Apart from the listeners: a new service does not change those. */
const passedOnUnit = (hosts: readonly string[]): Unit => ({
  key: `passed-on|${hosts.join(',')}`,
  compile: (view) => ({
    includes: view
      .serviceKeys()
      .filter((key) => hosts.some((host) => isSubsetOfHost(splitServiceKey(key).hostname, host)))
      .map(gatewayServiceUnit),
  }),
})

/** A route configuration, for the hosts of these servers. */
const gatewayRoutesUnit = (client: Client, name: string, servers: readonly ServerKey[]): Unit => ({
  key: `gateway-routes|${toClientKey(client)}|${name}|${JSON.stringify(servers)}`,
  compile: (view) => ({
    resources: [buildRouteConfigurationResource(name, [], { ignoresPort: true })],
    includes: planGatewayHosts(view, servers, client).map((host) => gatewayHostUnit(client, name, host)),
  }),
})

const gatewayHostUnit = (client: Client, routesName: string, host: GatewayHost): Unit => ({
  key: `gateway-host|${toClientKey(client)}|${routesName}|${JSON.stringify(host)}`,
  compile(view) {
    const { problems, report } = collectProblems()
    const compiled = compileGatewayVirtualHost(view, routesName, host, client, report)
    return {
      resources: [buildVirtualHostResource(compiled.virtualHost)],
      includes: compiled.reached.map((each) => upstreamsUnit(view, each, client)),
      problems,
    }
  },
})
