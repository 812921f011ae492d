import type { Sourced } from '../config-object.ts'
import type { ProxyExtensionSpec } from '../config/proxy-extension.ts'
import type { Place } from '../topology.ts'
import type { MeshView } from '../view.ts'
import { findPolicies, selectPolicies } from './select-policies.ts'

type View = Pick<MeshView, 'meshConfig' | 'proxyExtensions'>

/** Which ProxyExtensions are for a workload. */
export type ProxyExtensionKey = string & { readonly __brand: 'ProxyExtensionKey' }

export const selectProxyExtensions = (view: View, namespace: string, place: Place): ProxyExtensionKey =>
  selectPolicies(view, (each) => view.proxyExtensions(each), namespace, place) as ProxyExtensionKey

/** A key's objects, in its order, of those that there still are. */
export const findProxyExtensions = (
  view: Pick<View, 'proxyExtensions'>,
  key: ProxyExtensionKey,
): readonly Sourced<ProxyExtensionSpec>[] => findPolicies((each) => view.proxyExtensions(each), key)
