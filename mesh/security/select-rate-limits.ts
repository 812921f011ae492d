import type { Sourced } from '../config-object.ts'
import type { RateLimitSpec } from '../config/rate-limit.ts'
import type { Place } from '../topology.ts'
import type { MeshView } from '../view.ts'
import { findPolicies, selectPolicies } from './select-policies.ts'

type View = Pick<MeshView, 'meshConfig' | 'rateLimits'>

/** Which RateLimits are for a workload. */
export type RateLimitKey = string & { readonly __brand: 'RateLimitKey' }

export const selectRateLimits = (view: View, namespace: string, place: Place): RateLimitKey =>
  selectPolicies(view, (each) => view.rateLimits(each), namespace, place) as RateLimitKey

/** A key's objects, in its order, of those that there still are. */
export const findRateLimits = (view: Pick<View, 'rateLimits'>, key: RateLimitKey): readonly Sourced<RateLimitSpec>[] =>
  findPolicies((each) => view.rateLimits(each), key)
