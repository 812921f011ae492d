import type { ConfigObject, Configured } from '../config-object.ts'
import type { DestinationRuleSpec } from '../config/destination-rule.ts'
import { defaultMeshConfig } from '../config/mesh-config.ts'
import { ownerOfHost } from '../host-owner.ts'
import { isForWholeNamespace, targetsOf } from '../config/schema/policy-target.ts'
import { istioNamespace } from '../kubernetes/installed-gateways.ts'
import { resolveHost } from '../merge/resolve-host.ts'
import type { Problem } from '../problem.ts'
import { problemOf, type AnalyzedObjects } from './analyzed-objects.ts'
import type { KnownMesh } from './known-mesh.ts'

/** Whose objects hold for all namespaces in an Istio that nobody has told otherwise. */
export const istioRootNamespace = istioNamespace

const isThere = ({ metadata }: Pick<ConfigObject, 'metadata'>): boolean => metadata.namespace === istioRootNamespace

/** Of the root namespace they are for the whole mesh or, with a selector, for nobody: in Istio neither, whatever its reference says of the field. */
export const findSelectingPeerAuthentications = (
  { peerAuthentications }: AnalyzedObjects,
  { defaults: { rootNamespace } = defaultMeshConfig }: KnownMesh,
): readonly Problem[] =>
  peerAuthentications
    .filter(({ metadata, spec }) => metadata.namespace === rootNamespace && !isForWholeNamespace(spec))
    .map((object) =>
      problemOf(
        object,
        'ineffective',
        'warning',
        ['spec', 'selector'],
        'in the root namespace a PeerAuthentication with a selector is for nobody: put it into the namespace of its workloads',
      ),
    )

/** Objects that would hold for all namespaces in Istio, and do for one here. */
export const findMissedRootNamespace = (
  {
    sidecars,
    destinationRules,
    envoyFilters,
    telemetries,
    peerAuthentications,
    requestAuthentications,
    authorizationPolicies,
    serviceEntries,
  }: AnalyzedObjects,
  { defaults = defaultMeshConfig, domainSuffix }: KnownMesh,
): readonly Problem[] => {
  const { rootNamespace } = defaults
  if (rootNamespace === istioRootNamespace) return []
  const ownHosts = new Set(
    serviceEntries.filter(isThere).flatMap(({ spec }) => spec.hosts.map((host) => host.toLowerCase())),
  )
  // A rule for a service of its own namespace is for the clients of all namespaces, whichever is the root.
  const isForOwn = ({ spec, metadata: { namespace } }: Configured<DestinationRuleSpec>): boolean => {
    const host = resolveHost(spec.host, namespace, domainSuffix)
    return ownHosts.has(host) || ownerOfHost(host, domainSuffix) === namespace
  }
  // Those of them that select workloads are for those of their own namespace.
  const ofNamespaces = [...telemetries, ...peerAuthentications].filter(({ spec }) => isForWholeNamespace(spec))
  // These select workloads of all namespaces, or Gateways of their own.
  const ofSelected = [...requestAuthentications, ...authorizationPolicies].filter(
    ({ spec }) => targetsOf(spec).length === 0,
  )
  return [
    ...sidecars,
    ...destinationRules.filter((each) => !isForOwn(each)),
    ...envoyFilters,
    ...ofNamespaces,
    ...ofSelected,
  ]
    .filter(isThere)
    .map((object) =>
      problemOf(
        object,
        'ineffective',
        'warning',
        ['metadata', 'namespace'],
        `the mesh's root namespace is ${rootNamespace}: for all namespaces it holds there, or after "atoll mesh set --root-namespace ${istioRootNamespace}"`,
      ),
    )
}
