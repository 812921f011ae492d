import type { StoredObject } from '#api/schemas/configuration.ts'
import { leftOut } from './redact.ts'

/** Fields, in Istio's spelling and in Envoy's, whose values travel with requests: headers, query parameters, bodies. */
const payloads =
  /^(headers?|without_?headers|query_?params|query_?parameters|query_?parameter_?matches|(request|response)_?(headers|trailers)_?to_?add|body|string|bytes|inline_?(string|bytes))$/i
/** In a list's items, what says which header it is and not what is in it. */
const names = /^(name|key|header_?name|append_?action)$/i

/**
 * `item`: in what a list of payloads holds, which is Envoy's form: names are in fields. Elsewhere, as in Istio's maps, a field called `key`
 * is a header or parameter of that name.
 */
type Place = 'outside' | 'inside' | 'item'

/** A value without what people put into requests: names of headers stay, their values do not. */
export const withoutPayloads = (value: unknown, place: Place = 'outside'): unknown => {
  if (Array.isArray(value)) return value.map((item) => withoutPayloads(item, place === 'outside' ? place : 'item'))
  if (typeof value === 'string' || typeof value === 'number') return place === 'outside' ? value : leftOut
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, field]: [string, unknown]) => [
      name,
      place === 'item' && typeof field === 'string' && names.test(name)
        ? field
        : withoutPayloads(field, toPlaceOf(name, place)),
    ]),
  )
}

const toPlaceOf = (name: string, place: Place): Place => {
  if (place === 'outside') return payloads.test(name) ? 'inside' : place
  // Envoy's HeaderValueOption has its name one level further down.
  return place === 'item' && name === 'header' ? 'item' : 'inside'
}

/** A configuration object without annotations, which hold anything, and without payloads. */
export const toSafeObject = ({ key, revision, updatedAt, object }: StoredObject) => ({
  key,
  revision,
  updatedAt,
  apiVersion: object.apiVersion,
  labels: object.metadata.labels ?? {},
  spec: withoutPayloads(object.spec),
})
