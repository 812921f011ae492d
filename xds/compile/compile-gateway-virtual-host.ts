import type { MeshView } from '#mesh/view.ts'
import type { Route, VirtualHost } from '#xds/model/virtual-host.ts'
import type { ReachedService } from './compile-destination.ts'
import { matchesAnyRequest } from './compile-http-match.ts'
import { compileHttpRoutes } from './compile-http-routes.ts'
import { compileDefaultRetries } from './compile-retries.ts'
import { toGatewayOrigin, type GatewayClient, type GatewayHost } from './plan-gateway-hosts.ts'
import type { Report } from './report.ts'

/** A host of a gateway's route configuration, and the services that its routes lead to. */
export const compileGatewayVirtualHost = (
  view: MeshView,
  routesName: string,
  { host, requiresTls, sources }: GatewayHost,
  client: GatewayClient,
  report: Report,
): { readonly virtualHost: VirtualHost; readonly reached: readonly ReachedService[] } => {
  const compiled = sources.flatMap(({ virtualService: key, gateway, port }) => {
    const virtualService = view.virtualService(key)
    if (!virtualService) return []
    return compileHttpRoutes(view, virtualService, toGatewayOrigin(client, gateway, port, virtualService), report)
  })
  return {
    virtualHost: {
      name: `${routesName}/${host}`,
      domains: [host],
      routes: toMerged(compiled.flatMap(({ routes }) => routes)),
      ...(requiresTls && { requiresTls }),
      retries: compileDefaultRetries(view.meshConfig(), false),
    },
    reached: compiled.flatMap(({ reached }) => reached),
  }
}

/** What takes every request comes last, and only once: behind the routes of the other VirtualServices for the host (as in Istio). */
const toMerged = (routes: readonly Route[]): Route[] => {
  const { closed = [], open = [] } = Object.groupBy(routes, ({ match }) =>
    matchesAnyRequest(match) ? 'open' : 'closed',
  )
  return [...closed, ...open.slice(0, 1)]
}
