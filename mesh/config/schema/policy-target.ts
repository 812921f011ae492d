import { z } from 'zod'
import type { Report } from '../kind-definition.ts'
import { checked, message } from './message.ts'
import { matchLabelsSelector } from './labels.ts'

/** type.istio.io PolicyTargetReference, of an object in the same namespace. */
const targetReference = checked(
  message({
    group: z.string().default(''),
    kind: z.string(),
    name: z.string().min(1, 'is required').max(253),
    namespace: z.string().optional(),
  }),
  ({ value, report }) => {
    if (value.namespace) report('must not be set: other namespaces have their own', ['namespace'])
    if (!targetKinds.includes(toKind(value)))
      report(`must be one of ${targetKinds.join(', ')}, by group and kind`, ['kind'])
  },
)
export type TargetReference = z.output<typeof targetReference>

const gatewayKind = 'gateway.networking.k8s.io/Gateway'

/** By canonical group. Istio's validation: validatePolicyTargetReference. */
const targetKinds: readonly string[] = [
  gatewayKind,
  'gateway.networking.k8s.io/GatewayClass',
  'core/Service',
  'networking.istio.io/ServiceEntry',
]

const toKind = ({ group, kind }: Pick<TargetReference, 'group' | 'kind'>): string => `${group || 'core'}/${kind}`

/** Which workloads an object is for; of these fields one at most (Istio reference: type/workload-selector). */
export const policyTargetFields = {
  /** Absent, or without labels: every workload of the namespace. */
  selector: matchLabelsSelector.optional(),
  targetRef: targetReference.optional(),
  targetRefs: z.array(targetReference).max(16).optional(),
}

const policyTarget = z.object(policyTargetFields)
export type PolicyTarget = z.output<typeof policyTarget>

/** Of a spec the rest of which may be wrong; undefined = it does not say for whom it is, in a way that can be understood. */
export const readPolicyTarget = (spec: unknown): PolicyTarget | undefined => {
  const { data } = policyTarget.safeParse(spec)
  return data && isOneTarget(data) ? data : undefined
}

export const isOneTarget = ({ selector, targetRef, targetRefs = [] }: PolicyTarget): boolean =>
  [selector !== undefined, targetRef !== undefined, targetRefs.length > 0].filter(Boolean).length <= 1

/** `targetRefs`, or the older `targetRef` alone, with their paths in the spec. */
export const targetsOf = ({
  targetRef,
  targetRefs = [],
}: PolicyTarget): readonly { readonly path: readonly PropertyKey[]; readonly target: TargetReference }[] => {
  if (targetRefs.length > 0) return targetRefs.map((target, index) => ({ path: ['targetRefs', index], target }))
  return targetRef ? [{ path: ['targetRef'], target: targetRef }] : []
}

/** The names of the Gateways of the Gateway API that are meant: others are of waypoints, which there are none of. */
export const isGatewayTarget = (target: TargetReference): boolean => toKind(target) === gatewayKind

/** Warns of a policy that selects what nobody would think of. */
export const warnOfTarget = (spec: PolicyTarget, report: Report): void => {
  if (spec.selector && Object.keys(spec.selector.matchLabels ?? {}).length === 0)
    report(['spec', 'selector'], 'selects every workload of the namespace', { severity: 'warning' })
  for (const { path, target } of targetsOf(spec))
    if (!isGatewayTarget(target))
      report(['spec', ...path], 'is for waypoints of ambient mode: it selects no proxy', { severity: 'warning' })
}

export const isForWholeNamespace = (policy: PolicyTarget): boolean =>
  Object.keys(policy.selector?.matchLabels ?? {}).length === 0 && targetsOf(policy).length === 0
