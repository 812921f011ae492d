import { ExtAuthzSchema } from '#envoy/envoy/extensions/filters/http/ext_authz/v3/ext_authz_pb.ts'
import { RBACSchema } from '#envoy/envoy/extensions/filters/http/rbac/v3/rbac_pb.ts'
import { toDiscovered } from './discovered-filter.ts'

/** The filters that decide who may call, in the order in which they are asked. */
export const accessFilterNames = {
  audit: 'envoy.filters.http.rbac.audit',
  deny: 'envoy.filters.http.rbac.deny',
  allow: 'envoy.filters.http.rbac',
} as const
export type AccessFilter = keyof typeof accessFilterNames

/**
 * Listeners name them, and ECDS says what they do: a policy that changes changes no listener, whose connections would be closed, and holds for
 * the next request on each of them. Until it has come a listener waits, and then answers 500. See docs/decisions/0023.
 */
export const accessFilters = Object.values(accessFilterNames).map((name) => toDiscovered(name, RBACSchema))

/** Before tokens are looked at: who marks what somebody else is asked about, and who asks, or says no in its place. The names are Istio's, where it has one. */
export const delegationFilterNames = {
  mark: 'envoy.filters.http.rbac.custom',
  ask: 'envoy.filters.http.ext_authz',
} as const

export const delegationFilters = [
  toDiscovered(delegationFilterNames.mark, RBACSchema),
  toDiscovered(delegationFilterNames.ask, RBACSchema, ExtAuthzSchema),
]
