import { isGatewayTarget, targetsOf, type PolicyTarget } from './config/schema/policy-target.ts'
import { hasLabelsThere, type Place } from './topology.ts'

/** Of pods that the Gateway API has made. */
export const gatewayNameLabel = 'gateway.networking.k8s.io/gateway-name'

/** Whether a policy of a workload's namespace is for it: by its selector, or as the pods of a Gateway that it targets (Istio reference: type/workload-selector). */
export const selectsPlace = (policy: PolicyTarget, place: Place): boolean => {
  const targets = targetsOf(policy)
  if (targets.length === 0) return hasLabelsThere(place, policy.selector?.matchLabels ?? {})
  const gateway = place.labels[gatewayNameLabel]
  return targets.some(({ target }) => isGatewayTarget(target) && target.name === gateway)
}
