import type { Sourced } from '../config-object.ts'
import type { ClientAuthenticationSpec } from '../config/client-authentication.ts'
import type { Place } from '../topology.ts'
import type { MeshView } from '../view.ts'
import { findPolicies, selectOwnPolicies } from './select-policies.ts'

type View = Pick<MeshView, 'clientAuthentications'>

/** Which ClientAuthentications are for a workload: a Secret is for no other namespace than its own, so neither are they. */
export type ClientAuthenticationKey = string & { readonly __brand: 'ClientAuthenticationKey' }

export const selectClientAuthentications = (view: View, namespace: string, place: Place): ClientAuthenticationKey =>
  selectOwnPolicies((each) => view.clientAuthentications(each), namespace, place) as ClientAuthenticationKey

/** A key's objects, in its order, of those that there still are. */
export const findClientAuthentications = (
  view: View,
  key: ClientAuthenticationKey,
): readonly Sourced<ClientAuthenticationSpec>[] => findPolicies((each) => view.clientAuthentications(each), key)
