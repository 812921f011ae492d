import { objectKeyOf, type Sourced } from '../config-object.ts'
import { targetsOf, type PolicyTarget } from '../config/schema/policy-target.ts'
import { selectsPlace } from '../selects-place.ts'
import type { Place } from '../topology.ts'
import type { MeshView } from '../view.ts'

const separator = ','

type Read<Spec> = (namespace: string) => readonly Sourced<Spec>[]

/**
 * Which objects of a kind that adds up are for a workload, as text: those of its own namespace that select it, and of the root namespace, which are for the whole
 * mesh (Istio reference: AuthorizationPolicy, RequestAuthentication). Gateways that they target are of their own namespace alone.
 */
export const selectPolicies = (
  view: Pick<MeshView, 'meshConfig'>,
  read: Read<PolicyTarget>,
  namespace: string,
  place: Place,
): string => {
  const { rootNamespace } = view.meshConfig()
  const selected = [...new Set([rootNamespace, namespace])].flatMap((each) =>
    read(each).filter(({ spec }) => selectsPlace(spec, place) && (each === namespace || targetsOf(spec).length === 0)),
  )
  return selected.map(toKey).join(separator)
}

/** The same of a kind whose objects are for workloads of their own namespace alone, the root namespace's too. */
export const selectOwnPolicies = (read: Read<PolicyTarget>, namespace: string, place: Place): string =>
  read(namespace)
    .filter(({ spec }) => selectsPlace(spec, place))
    .map(toKey)
    .join(separator)

/** What `selectPolicies` has selected, in its order, of those that there still are. */
export const findPolicies = <Spec>(read: Read<Spec>, selection: string): readonly Sourced<Spec>[] => {
  const selected = splitPolicies(selection)
  const namespaces = new Set(selected.map((each) => each.split('/')[2] ?? ''))
  const byKey = new Map([...namespaces].flatMap(read).map((policy) => [toKey(policy), policy]))
  return selected.flatMap((each) => byKey.get(each) ?? [])
}

/** Each of a selection alone. */
export const splitPolicies = (selection: string): readonly string[] =>
  selection === '' ? [] : selection.split(separator)

/** "<origin>/<kind>/<namespace>/<name>" */
const toKey = (policy: Sourced<unknown>): string => `${policy.origin}/${objectKeyOf(policy)}`
