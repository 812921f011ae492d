import type { JsonObject, JsonValue } from '@bufbuild/protobuf'
import { isFields } from '#mesh/is-fields.ts'

/** In a credential's place. */
export const redacted = '[redacted]'

/**
 * A resource in protobuf's JSON form without what lets a proxy in at collectors of telemetry and other services of its own: metadata of gRPC, headers that
 * are added to what Envoy itself sends over HTTP, SkyWalking's token. Nor what lets clients in: their keys, and the hashes of their passwords. Nor the code of modules, which is large. Headers that routes add are configuration, and stay.
 */
export const withoutCredentials = (resource: JsonObject): JsonObject => redactFields(resource, '')

const redactFields = (value: JsonObject, within: string): JsonObject =>
  Object.fromEntries(Object.entries(value).map(([name, field]) => [name, redactField(name, field, within)]))

const redactField = (name: string, field: JsonValue, within: string): JsonValue => {
  if (name === 'backend_token') return redacted
  if (name === 'credentials' && within === 'typed_config') return mapObjects(field, redactKey)
  if (name === 'users' && within === 'typed_config') return redacted
  if (name === 'inline_bytes' && typeof field === 'string') return `[${Buffer.byteLength(field, 'base64')} bytes]`
  if (name === 'initial_metadata') return mapObjects(field, redactHeader)
  if (name === 'headers_to_add' && within === 'authorization_request') return mapObjects(field, redactHeader)
  if (name === 'request_headers_to_add' && ownServices.has(within)) return mapObjects(field, redactAdded)
  return redact(field, name)
}

/** Fields that lead to services which Envoy itself calls. */
const ownServices = new Set(['http_service', 'collector_service'])

const redact = (value: JsonValue, within: string): JsonValue => {
  if (Array.isArray(value)) return value.map((each) => redact(each, within))
  return isFields(value) ? redactFields(value, within) : value
}

const redactHeader = (header: JsonObject): JsonObject => ('value' in header ? { ...header, value: redacted } : header)

const redactKey = (client: JsonObject): JsonObject => ('key' in client ? { ...client, key: redacted } : client)

const redactAdded = (added: JsonObject): JsonObject => {
  const { header } = added
  return header !== undefined && isFields(header) ? { ...added, header: redactHeader(header) } : added
}

const mapObjects = (list: JsonValue, map: (each: JsonObject) => JsonObject): JsonValue =>
  Array.isArray(list) ? list.map((each) => (isFields(each) ? map(each) : each)) : list
