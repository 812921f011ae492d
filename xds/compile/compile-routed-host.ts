import type { MeshView } from '#mesh/view.ts'
import { compileHttpRoutes } from './compile-http-routes.ts'
import { compileDefaultRetries } from './compile-retries.ts'
import { toDomains, type CompiledVirtualHost } from './compile-virtual-host.ts'
import type { Egress } from './compile-egress.ts'
import { isNameOfService, planRoutedHost } from './plan-routed-host.ts'
import type { Report } from './report.ts'
import type { PolicyClient } from './select-destination-policy.ts'
import { toVirtualServiceKey } from './select-virtual-service.ts'

/** The virtual hosts of a host that VirtualServices alone know. */
export const compileRoutedHost = (
  view: MeshView,
  egress: Egress,
  host: string,
  { namespace: clientNamespace, selectors }: PolicyClient,
  report: Report,
): CompiledVirtualHost[] =>
  planRoutedHost(view, egress, { host, clientNamespace }).flatMap(({ scope, port, virtualService }) => {
    if (isNameOfService(view, { host, clientNamespace })) {
      report(toVirtualServiceKey(virtualService), `${host} is what clients call a service: write its full name`)
      return []
    }
    const origin = { clientNamespace, selectors: new Set(selectors), port }
    const { routes, reached } = compileHttpRoutes(view, virtualService, origin, report)
    if (routes.length === 0) return []
    const virtualHost = {
      name: `${scope.name}/${host}:${port}`,
      domains: toDomains([host], port, scope),
      routes,
      retries: compileDefaultRetries(view.meshConfig(), false),
    }
    return { virtualHost, reached }
  })
