import type { ConfigObject } from '../config-object.ts'
import type { Problem } from '../problem.ts'
import { toAnalyzedObjects, type AnalyzedObjects } from './analyzed-objects.ts'
import { findAliasRules } from './alias-rules.ts'
import { findConflicts } from './conflicts.ts'
import { findDanglingReferences } from './dangling-references.ts'
import { findDelegationProblems } from './delegation.ts'
import { findGatewayProblems } from './gateway-bindings.ts'
import { findGatewayCredentialProblems } from './gateway-credentials.ts'
import { findIneffectiveRoutes } from './gateway-routes.ts'
import { findPortProblems } from './destination-ports.ts'
import { findForeignHosts } from './foreign-hosts.ts'
import type { KnownMesh } from './known-mesh.ts'
import { findNetworkEndpointProblems } from './network-endpoints.ts'
import { findMissedRootNamespace, findSelectingPeerAuthentications } from './root-namespace.ts'
import { findRuleCredentialProblems } from './rule-credentials.ts'
import { findSecurityProblems } from './security-policies.ts'
import { findIdleEgressHosts } from './sidecar-hosts.ts'
import { findProviderProblems } from './extension-providers.ts'
import { findUnselectedEntries } from './unselected-entries.ts'
import { findWorkloadProblems } from './workload-checks.ts'

/**
 * What is wrong between objects, each of which is right by itself: references that lead nowhere, and objects that want the
 * same thing. `objects` is the whole configuration as it would be.
 */
export const analyze = (objects: readonly ConfigObject[], known: KnownMesh): readonly Problem[] => {
  const parsed = toAnalyzedObjects(objects)
  return [
    ...analyzeParsed(parsed, known),
    // Files alone do not say whether they are the mesh's.
    ...(known.lookedIn === 'objects' ? [] : findUnselectedEntries(parsed)),
  ]
}

/** The same of objects whose specs are parsed already, but for what is the mesh's alone. */
export const analyzeParsed = (objects: AnalyzedObjects, known: KnownMesh): readonly Problem[] => [
  ...findDanglingReferences(objects, known),
  ...findPortProblems(objects, known.domainSuffix),
  ...findWorkloadProblems(objects, known),
  ...findProviderProblems(objects, known),
  ...findIdleEgressHosts(objects, known),
  ...findConflicts(objects, known),
  ...findGatewayProblems(objects, known.domainSuffix),
  ...findIneffectiveRoutes(objects, known.domainSuffix),
  ...findAliasRules(objects, known),
  ...findDelegationProblems(objects, known),
  ...findMissedRootNamespace(objects, known),
  ...findSelectingPeerAuthentications(objects, known),
  ...findSecurityProblems(objects, known),
  ...findNetworkEndpointProblems(objects, known),
  ...findGatewayCredentialProblems(objects, known),
  ...findRuleCredentialProblems(objects, known),
  ...objects.serviceEntries.flatMap((object) => findForeignHosts(object, known.domainSuffix, 'error')),
]
