import type { Sourced } from '../config-object.ts'
import type { RequestAuthenticationSpec } from '../config/request-authentication.ts'
import type { Place } from '../topology.ts'
import type { MeshView } from '../view.ts'
import { findPolicies, selectPolicies } from './select-policies.ts'

type View = Pick<MeshView, 'meshConfig' | 'requestAuthentications'>

export type RequestAuthentication = Sourced<RequestAuthenticationSpec>

/** Which RequestAuthentications are for a workload: together they say which tokens are right (Istio reference: RequestAuthentication). */
export type TokenKey = string & { readonly __brand: 'TokenKey' }

export const selectRequestAuthentications = (view: View, namespace: string, place: Place): TokenKey =>
  selectPolicies(view, (each) => view.requestAuthentications(each), namespace, place) as TokenKey

/** A key's objects, in its order, of those that there still are. */
export const findRequestAuthentications = (
  view: Pick<View, 'requestAuthentications'>,
  key: TokenKey,
): readonly RequestAuthentication[] => findPolicies((each) => view.requestAuthentications(each), key)
