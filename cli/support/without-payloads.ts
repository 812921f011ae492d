import type { StoredObject } from '#api/schemas/configuration.ts'
import { leftOut } from './redact.ts'

/** Fields, in Istio's spelling and in Envoy's, whose values travel with requests: headers, query parameters, bodies. */
const payloads =
  /^(headers?|without_?headers|query_?params|query_?parameters|query_?parameter_?matches|(request|response)_(headers|trailers)_to_add|body|string|bytes|inline_?(string|bytes))$/i
/** Inside them, what says which header it is and not what is in it. */
const names = /^(name|key|header_?name|append_?action)$/i

/** A value without what people put into requests: names of headers stay, their values do not. */
export const withoutPayloads = (value: unknown, inside = false): unknown => {
  if (Array.isArray(value)) return value.map((item) => withoutPayloads(item, inside))
  if (typeof value === 'string') return inside ? leftOut : value
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, field]: [string, unknown]) => [
      name,
      inside && names.test(name) ? field : withoutPayloads(field, inside || payloads.test(name)),
    ]),
  )
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
