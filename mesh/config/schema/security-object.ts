import type { Configured } from '../../config-object.ts'
import { PRECEDENCE_ANNOTATION } from '../../merge/precedence-annotation.ts'
import type { Report } from '../kind-definition.ts'
import { readPolicyTarget, warnOfTarget, type PolicyTarget } from './policy-target.ts'

/** What security.istio.io's kinds have in common. */
export const istioSecurity = { group: 'security.istio.io', versions: ['v1', 'v1beta1'], addsUp: true } as const

/** Istio's annotation of policies that are to be judged by and not to be enforced. */
export const dryRunAnnotation = 'istio.io/dry-run'

/** What is said of objects of every kind of theirs. `dryRun`: whether the annotation is for its kind. */
export const checkSecurityObject = (
  { metadata, spec }: Configured<PolicyTarget>,
  report: Report,
  { dryRun = false }: { readonly dryRun?: boolean } = {},
): void => {
  const { annotations = {} } = metadata
  warnOfTarget(spec, report)
  if (Object.hasOwn(annotations, PRECEDENCE_ANNOTATION))
    report(
      ['metadata', 'annotations', PRECEDENCE_ANNOTATION],
      'is not for security: what the mesh and what a cluster says are in force together',
      { severity: 'warning' },
    )
  if (!dryRun && Object.hasOwn(annotations, dryRunAnnotation))
    report(['metadata', 'annotations', dryRunAnnotation], 'is for AuthorizationPolicies alone')
}

/** For whom an object is that is refused: for all of its namespace where it does not say that in a way that can be understood. */
export const toClosedTarget = (spec: unknown): PolicyTarget => readPolicyTarget(spec) ?? {}
