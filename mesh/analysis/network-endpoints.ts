import type { ConfigObject, Configured } from '../config-object.ts'
import type { DestinationRuleSpec } from '../config/destination-rule.ts'
import { hostsOverlap } from '../config/schema/host-names.ts'
import type { ServiceEntrySpec } from '../config/service-entry.ts'
import type { WorkloadEntrySpec } from '../config/workload-entry.ts'
import { unknownNetworkFault } from '../merge/network-problems.ts'
import { resolveHost } from '../merge/resolve-host.ts'
import { toPolicyLevels } from '../policy-levels.ts'
import type { Problem } from '../problem.ts'
import { nameOf, problemOf, type AnalyzedObjects } from './analyzed-objects.ts'
import type { KnownMesh } from './known-mesh.ts'

/** What is wrong with endpoints that name a network. */
export const findNetworkEndpointProblems = (objects: AnalyzedObjects, known: KnownMesh): readonly Problem[] => [
  ...findUnknownNetworks(objects, known),
  ...findWithoutMeshTls(objects, known.domainSuffix),
]

type DestinationPolicy = NonNullable<DestinationRuleSpec['trafficPolicy']>

const isNetwork = ({ address, network }: WorkloadEntrySpec): boolean => address === '' && network !== undefined

const findUnknownNetworks = (
  { serviceEntries, workloadEntries }: AnalyzedObjects,
  { networks }: KnownMesh,
): readonly Problem[] => {
  const check = (
    object: Omit<ConfigObject, 'spec'>,
    path: readonly PropertyKey[],
    endpoint: WorkloadEntrySpec,
  ): readonly Problem[] => {
    const { network, address } = endpoint
    if (!networks || network === undefined || networks.has(network)) return []
    const message = unknownNetworkFault({ network, address })
    return [problemOf(object, 'dangling_reference', 'warning', [...path, 'network'], message)]
  }
  return [
    ...serviceEntries.flatMap((object) =>
      (object.spec.endpoints ?? []).flatMap((endpoint, index) => check(object, ['spec', 'endpoints', index], endpoint)),
    ),
    ...workloadEntries.flatMap((object) => check(object, ['spec'], object.spec)),
  ]
}

/** Gateways pass on mesh mTLS alone: clients that would speak something else are not led to them. */
const findWithoutMeshTls = (
  { serviceEntries, destinationRules }: AnalyzedObjects,
  domainSuffix: string,
): readonly Problem[] => {
  const entries = serviceEntries.filter(({ spec }) => spec.endpoints?.some(isNetwork))
  const isFor = ({ metadata, spec }: Configured<DestinationRuleSpec>, entry: Configured<ServiceEntrySpec>): boolean => {
    const host = resolveHost(spec.host, metadata.namespace, domainSuffix)
    return entry.spec.hosts.some((each) => hostsOverlap(each.toLowerCase(), host))
  }
  const isMutual = ({ spec }: Configured<DestinationRuleSpec>): boolean =>
    toPolicyLevels<Pick<DestinationPolicy, 'tls'>>(spec).some(({ tls }) => tls?.mode === 'ISTIO_MUTUAL')
  return [
    ...entries.flatMap((object) => {
      if (object.spec.location === 'MESH_INTERNAL') return []
      if (destinationRules.some((rule) => isMutual(rule) && isFor(rule, object))) return []
      const index = object.spec.endpoints?.findIndex(isNetwork) ?? 0
      const message =
        "is missing, and a network's gateways take mesh mTLS alone, which is spoken with location MESH_INTERNAL, or where a DestinationRule says ISTIO_MUTUAL"
      return [problemOf(object, 'ineffective', 'warning', ['spec', 'endpoints', index, 'address'], message)]
    }),
    ...destinationRules.flatMap((rule) => {
      const mode = rule.spec.trafficPolicy?.tls?.mode ?? 'ISTIO_MUTUAL'
      const unreached = mode === 'ISTIO_MUTUAL' ? undefined : entries.find((entry) => isFor(rule, entry))
      if (!unreached) return []
      const message = `the networks among the endpoints of ${nameOf(unreached)} are not reached: their gateways take mesh mTLS alone`
      return [problemOf(rule, 'ineffective', 'warning', ['spec', 'trafficPolicy', 'tls', 'mode'], message)]
    }),
  ]
}
