import type { Sourced } from '../config-object.ts'
import type { AuthorizationPolicySpec } from '../config/authorization-policy.ts'
import type { Place } from '../topology.ts'
import type { MeshView } from '../view.ts'
import { findPolicies, selectPolicies } from './select-policies.ts'

type View = Pick<MeshView, 'meshConfig' | 'authorizationPolicies'>

/** Which AuthorizationPolicies are for a workload. Workloads for which it is the same are called by the same rules. */
export type AuthorizationKey = string & { readonly __brand: 'AuthorizationKey' }

export const selectAuthorizations = (view: View, namespace: string, place: Place): AuthorizationKey =>
  selectPolicies(view, (each) => view.authorizationPolicies(each), namespace, place) as AuthorizationKey

/** A key's objects, in its order, of those that there still are. */
export const findAuthorizations = (
  view: Pick<View, 'authorizationPolicies'>,
  key: AuthorizationKey,
): readonly Sourced<AuthorizationPolicySpec>[] => findPolicies((each) => view.authorizationPolicies(each), key)
