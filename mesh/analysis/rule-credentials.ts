import { parseCredentialKey, toCredentialKey } from '../config/schema/credential-name.ts'
import type { TrafficPolicy } from '../config/schema/traffic-policy.ts'
import { toPlacedLevels } from '../policy-levels.ts'
import type { Problem } from '../problem.ts'
import { problemOf, type AnalyzedObjects } from './analyzed-objects.ts'
import type { KnownMesh } from './known-mesh.ts'
import { findSecretFault } from './secret-fault.ts'

/**
 * Secrets that DestinationRules name for the sidecars that they select, in their own namespace, and that are not there or do not hold what they are
 * named for. Where gateways are that other rules hold for is not known.
 */
export const findRuleCredentialProblems = (
  { destinationRules }: AnalyzedObjects,
  { secrets }: KnownMesh,
): readonly Problem[] => {
  if (!secrets) return []
  return destinationRules.flatMap((rule) => {
    if (!rule.spec.workloadSelector) return []
    return toPlacedLevels<Pick<TrafficPolicy, 'tls'>>(rule.spec).flatMap(({ level: { tls }, path }) => {
      if (tls?.credentialName === undefined || (tls.mode !== 'SIMPLE' && tls.mode !== 'MUTUAL')) return []
      const key = toCredentialKey(tls.credentialName, rule.metadata.namespace)
      if (parseCredentialKey(key).namespace !== rule.metadata.namespace) return []
      const ofClient = tls.mode === 'MUTUAL' ? findSecretFault(secrets, key, 'certificate') : undefined
      const fault = ofClient ?? findSecretFault(secrets, key, 'authorities')
      return fault === undefined
        ? []
        : [problemOf(rule, 'dangling_reference', 'warning', [...path, 'tls', 'credentialName'], fault)]
    })
  })
}
