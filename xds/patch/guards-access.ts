import { toJson } from '@bufbuild/protobuf'
import { isFields } from '#mesh/is-fields.ts'
import type { ConfigPatch, PatchedPart } from '#mesh/config/envoy-filter.ts'
import { knownTypes } from '#xds/known-types.ts'
import { patchedTypes, type Patch } from './patch.ts'

/** Filters that let through whatever comes to them. */
const harmless: readonly string[] = [
  'adaptive_concurrency',
  'admission_control',
  'bandwidth_limit',
  'buffer',
  'compressor',
  'decompressor',
  'fault',
  'grpc_http1_bridge',
  'grpc_stats',
  'grpc_web',
  'router',
  'tap',
  'echo',
  'http_connection_manager',
  'tcp_proxy',
]
/** Those of version 2 of the API are in `envoy.config.filter`. */
const filterType = /\.filters?\.(?:http|network|listener)\.(\w+)\./

/** What a filter's type is called, as in `envoy.extensions.filters.http.rbac.v3.RBAC`; undefined = it is no filter's. */
export const toFilterName = (type: string): string | undefined => filterType.exec(type)?.[1]

/** Whether a filter lets through whatever comes to it. */
export const isHarmlessFilter = (name: string): boolean => harmless.includes(name)

/**
 * Whether a patch may keep somebody out: it puts in or configures a filter that is not known to let everybody through; what scripts and modules do, and filters
 * that Atoll does not know, nobody can tell. What Envoy refuses of such a one is not left out: the proxy keeps what it had, or has nothing,
 * rather than let everybody in.
 */
export const guardsAccess = ({ part, operation, value }: Patch): boolean =>
  mayGuard(part, operation, toJson(patchedTypes[part], value, { registry: knownTypes }))

/** The same of a patch as it is written, which may not be a message that Atoll can read. */
export const writtenGuardsAccess = ({ applyTo, patch }: ConfigPatch): boolean =>
  mayGuard(applyTo, patch.operation, patch.value)

const filterParts: readonly PatchedPart[] = ['HTTP_FILTER', 'NETWORK_FILTER', 'LISTENER_FILTER']

const mayGuard = (part: PatchedPart, operation: Patch['operation'], value: unknown): boolean => {
  // What it takes away may be what lets in.
  if (operation === 'REMOVE') return true
  if (hasGuardField(value)) return true
  const filters = findTypes(value).flatMap((type) => toFilterName(type) ?? [])
  if (filters.length === 0) return filterParts.includes(part)
  return !filters.every(isHarmlessFilter)
}

const typeFields: readonly string[] = ['@type', 'typeUrl', 'type_url', 'typeUrls', 'type_urls']

/** Of listeners, routes and EnvoyClusters, in small letters: who is spoken to and how, and what is answered instead. */
const guardFields: readonly string[] = [
  'transportsocket',
  'transportsocketmatches',
  'directresponse',
  'redirect',
  'requiretls',
  'pathwithescapedslashesaction',
]

const hasGuardField = (json: unknown): boolean => {
  if (Array.isArray(json)) return json.some(hasGuardField)
  if (!isFields(json)) return false
  return Object.entries(json).some(
    ([name, value]) => guardFields.includes(name.replaceAll('_', '').toLowerCase()) || hasGuardField(value),
  )
}

/** The types that are named anywhere in a message: of what is packed, and of what Envoy makes of a TypedStruct. */
const findTypes = (json: unknown): readonly string[] => {
  if (Array.isArray(json)) return json.flatMap(findTypes)
  if (!isFields(json)) return []
  return Object.entries(json).flatMap(([name, value]) =>
    typeFields.includes(name) ? [value].flat().filter((type) => typeof type === 'string') : findTypes(value),
  )
}
