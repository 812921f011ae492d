import type { ServiceKey } from '#mesh/names.ts'
import { buildVirtualHostResource } from '#xds/build/build-virtual-host.ts'
import { compileVirtualHost } from '#xds/compile/compile-virtual-host.ts'
import { collectProblems } from '#xds/compile/report.ts'
import { toScopeKey, type RouteScope } from '#xds/compile/route-scope.ts'
import { findDestinationPolicy } from '#xds/compile/select-destination-policy.ts'
import { findVirtualService } from '#xds/compile/select-virtual-service.ts'
import type { Unit } from '#xds/incremental/unit.ts'
import { toClientKey, toRouting, type Client } from './client.ts'
import { upstreamsUnit } from './upstreams-unit.ts'

export interface VirtualHostInputs {
  readonly scope: RouteScope
  readonly serviceKey: ServiceKey
  /** The alias that clients call it by; undefined = they call it by its own names. */
  readonly aliasKey: ServiceKey | undefined
  readonly port: number
  readonly policyKey: string
  readonly isOwnNamespace: boolean
  /** The VirtualService that decides, and for whom: what it says may depend on who asks. */
  readonly routing: { readonly virtualServiceKey: string; readonly client: Client } | undefined
}

/** One virtual host, and the upstreams that its routes lead to beside its own service's. */
export const virtualHostUnit = (inputs: VirtualHostInputs): Unit => {
  const { scope, serviceKey, aliasKey, port: number, policyKey, isOwnNamespace, routing } = inputs
  const by = routing ? `${routing.virtualServiceKey}|${toClientKey(routing.client)}` : ''
  return {
    key: `virtual-host|${toScopeKey(scope)}|${serviceKey}${aliasKey === undefined ? '' : `=${aliasKey}`}|${number}|${policyKey}|${isOwnNamespace}|${by}`,
    compile(view) {
      const service = view.service(serviceKey)
      const port = service?.ports.find((each) => each.number === number)
      const named = aliasKey === undefined ? service : view.service(aliasKey)
      if (!service || !named || !port) return {}
      const { problems, report } = collectProblems()
      const virtualService = routing && findVirtualService(view, { named, service }, routing.virtualServiceKey)
      const { virtualHost, reached } = compileVirtualHost(
        view,
        {
          scope,
          service,
          named,
          port,
          policy: findDestinationPolicy(view, service, policyKey),
          isOwnNamespace,
          routing: routing && virtualService && toRouting(virtualService, routing.client),
        },
        report,
      )
      return {
        resources: [buildVirtualHostResource(virtualHost)],
        includes: routing ? reached.map((each) => upstreamsUnit(view, each, routing.client)) : [],
        problems,
      }
    },
  }
}
