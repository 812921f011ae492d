import type { Configured } from '../config-object.ts'
import { toServerHosts, type GatewaySpec } from '../config/gateway.ts'
import { meshGateway, resolveGatewayName } from '../config/schema/gateway-names.ts'
import { isSubsetOfHost } from '../config/schema/host-names.ts'
import type { VirtualServiceSpec } from '../config/virtual-service.ts'
import { resolveHost } from '../merge/resolve-host.ts'
import type { Problem } from '../problem.ts'
import { problemOf } from './analyzed-objects.ts'
import type { AnalyzedObjects } from './analyzed-objects.ts'
import { findSharedServers } from './shared-gateways.ts'

type Gateway = Configured<GatewaySpec>

/**
 * VirtualServices that are bound to a Gateway which is not there, or has no server for their hosts; and what
 * Gateways take from each other. A Gateway may still come with a cluster: warnings.
 */
export const findGatewayProblems = (objects: AnalyzedObjects, domainSuffix: string): readonly Problem[] => {
  const gateways = new Map(objects.gateways.map((gateway) => [nameOf(gateway), gateway]))
  return [
    ...objects.virtualServices.flatMap((object) => findBindingProblems(object, gateways, domainSuffix)),
    ...findSharedServers(objects.gateways),
  ]
}

const nameOf = ({ metadata }: Gateway): string => `${metadata.namespace}/${metadata.name}`

const findBindingProblems = (
  object: Configured<VirtualServiceSpec>,
  gateways: ReadonlyMap<string, Gateway>,
  domainSuffix: string,
): readonly Problem[] => {
  const { namespace } = object.metadata
  const names = (object.spec.gateways ?? []).map((name) => resolveGatewayName(name, namespace))
  const absent = names.flatMap((name, index) =>
    name === meshGateway || gateways.has(name)
      ? []
      : [
          problemOf(
            object,
            'dangling_reference',
            'warning',
            ['spec', 'gateways', index],
            `there is no Gateway ${name}`,
          ),
        ],
  )
  // Only where all of them are known is a host nobody's.
  if (absent.length > 0 || names.length === 0 || names.includes(meshGateway)) return absent
  const served = names.flatMap((name) => {
    const gateway = gateways.get(name)
    return gateway ? toHostsFor(gateway, namespace) : []
  })
  return object.spec.hosts.flatMap((text, index) => {
    const host = resolveHost(text, namespace, domainSuffix)
    const isServed = served.some((other) => isSubsetOfHost(host, other) || isSubsetOfHost(other, host))
    const message = `no server of ${names.join(', ')} has ${host} for this namespace: nothing is routed for it`
    return isServed ? [] : [problemOf(object, 'dangling_reference', 'warning', ['spec', 'hosts', index], message)]
  })
}

/** The hosts of a Gateway's servers that VirtualServices of a namespace may be for. */
const toHostsFor = (gateway: Gateway, namespace: string): string[] =>
  gateway.spec.servers
    .flatMap((server) => toServerHosts(gateway.metadata.namespace, server))
    .filter((each) => (each.namespace ?? namespace) === namespace)
    .map(({ host }) => host)
