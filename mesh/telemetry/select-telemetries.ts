import { objectKeyOf, type Configured } from '../config-object.ts'
import { isForWholeNamespace } from '../config/schema/policy-target.ts'
import type { TelemetrySpec } from '../config/telemetry.ts'
import { selectsPlace } from '../selects-place.ts'
import type { Place } from '../topology.ts'
import type { MeshView } from '../view.ts'

type Telemetry = Configured<TelemetrySpec>

/** Which Telemetry objects are for a proxy, the widest first: keys of objects. Proxies for which it is the same tell the same. */
export type TelemetryKey = string & { readonly __brand: 'TelemetryKey' }

export const noTelemetry = '' as TelemetryKey

const separator = ','

/**
 * For a proxy: the oldest object without a selector of the root namespace, that of its own namespace, and all that select it there, the oldest
 * first (Istio reference: telemetry; what selects several in Istio is all that do, one over the other).
 */
export const selectTelemetries = (
  view: Pick<MeshView, 'meshConfig' | 'telemetries'>,
  namespace: string,
  place: Place,
): TelemetryKey => {
  const wide = [...new Set([view.meshConfig().rootNamespace, namespace])].flatMap(
    (each) => view.telemetries(each).find(({ spec }) => isForWholeNamespace(spec)) ?? [],
  )
  const selecting = view
    .telemetries(namespace)
    .filter(({ spec }) => !isForWholeNamespace(spec) && selectsPlace(spec, place))
  return [...wide, ...selecting].map(objectKeyOf).join(separator) as TelemetryKey
}

/** A key's objects, in its order, of those that there still are. */
export const findTelemetries = (view: Pick<MeshView, 'telemetry'>, key: TelemetryKey): readonly Telemetry[] =>
  key === noTelemetry ? [] : key.split(separator).flatMap((each) => view.telemetry(each) ?? [])

/** Whether an object names a provider for access logs or traces. */
export const namesProvider = ({ spec }: Telemetry, provider: string): boolean =>
  [...spec.accessLogging, ...spec.tracing].some(({ providers }) =>
    providers.some(({ name }) => name.toLowerCase() === provider.toLowerCase()),
  )
