import type { ClientSelectorKey } from '#mesh/client-selectors.ts'
import { toObjectKey } from '#mesh/config-object.ts'
import type { MeshView } from '#mesh/view.ts'
import { compileHttpRoutes } from './compile-http-routes.ts'
import { compileDefaultRetries } from './compile-retries.ts'
import { toDomains, type CompiledVirtualHost } from './compile-virtual-host.ts'
import type { Egress } from './compile-egress.ts'
import { isNameOfService, planRoutedHost } from './plan-routed-host.ts'
import type { Report } from './report.ts'

interface RoutingClient {
  readonly namespace: string
  readonly selectors: readonly ClientSelectorKey[]
}

/** The virtual hosts of a host that VirtualServices alone know. */
export const compileRoutedHost = (
  view: MeshView,
  egress: Egress,
  host: string,
  { namespace: clientNamespace, selectors }: RoutingClient,
  report: Report,
): CompiledVirtualHost[] =>
  planRoutedHost(view, egress, { host, clientNamespace }).flatMap(({ scope, port, virtualService }) => {
    const { kind, metadata } = virtualService
    if (isNameOfService(view, { host, clientNamespace })) {
      report(
        toObjectKey(kind, metadata.namespace, metadata.name),
        `${host} is what clients call a service: write its full name`,
      )
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
