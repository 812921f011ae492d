import type { Sourced } from '../config-object.ts'
import type { WasmPluginSpec } from '../config/wasm-plugin.ts'
import type { Place } from '../topology.ts'
import type { MeshView } from '../view.ts'
import { findPolicies, selectPolicies, splitPolicies } from './select-policies.ts'

type View = Pick<MeshView, 'meshConfig' | 'wasmPlugins'>

/** Which WasmPlugins are for a proxy: proxies for which it is the same run the same. */
export type WasmPluginKey = string & { readonly __brand: 'WasmPluginKey' }

export const noPlugins = '' as WasmPluginKey

export const selectWasmPlugins = (view: View, namespace: string, place: Place): WasmPluginKey =>
  selectPolicies(view, (each) => view.wasmPlugins(each), namespace, place) as WasmPluginKey

/** A key's objects that there still are, in the order in which requests meet them within a phase (Istio reference: WasmPlugin.priority). */
export const findWasmPlugins = (
  view: Pick<View, 'wasmPlugins'>,
  key: WasmPluginKey,
): readonly Sourced<WasmPluginSpec>[] =>
  findPolicies((each) => view.wasmPlugins(each), key).toSorted(
    (one, other) => other.spec.priority - one.spec.priority || compareNames(one, other),
  )

/** Each of them alone. */
export const splitWasmPlugins = (key: WasmPluginKey): readonly WasmPluginKey[] =>
  splitPolicies(key).map((each) => each as WasmPluginKey)

const compareNames = (one: Sourced<unknown>, other: Sourced<unknown>): number => {
  const [left, right] = [toName(one), toName(other)]
  return left < right ? -1 : Number(left > right)
}

const toName = ({ metadata, origin }: Sourced<unknown>): string => `${metadata.name}/${metadata.namespace}/${origin}`
