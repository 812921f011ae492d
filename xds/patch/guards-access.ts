import { toJson } from '@bufbuild/protobuf'
import { knownTypes } from '#xds/known-types.ts'
import { patchedTypes, type Patch } from './patch.ts'

/** Filters that let through whatever comes to them. */
const harmless: readonly string[] = [
  ...['adaptive_concurrency', 'admission_control', 'bandwidth_limit', 'buffer', 'compressor', 'decompressor', 'fault'],
  ...['grpc_http1_bridge', 'grpc_stats', 'grpc_web', 'router', 'tap'],
  ...['echo', 'http_connection_manager', 'tcp_proxy'],
]
const filterType = /\.filters\.(?:http|network|listener)\.(\w+)\./

/**
 * Whether a patch may keep somebody out: it puts in or configures a filter that is not known to let everybody through; what scripts and modules do, and filters
 * that Atoll does not know, nobody can tell. What Envoy refuses of such a one is not left out: the proxy keeps what it had, or has nothing,
 * rather than let everybody in.
 */
export const guardsAccess = ({ part, operation, value }: Patch): boolean => {
  if (operation === 'REMOVE') return false
  const types = findTypes(toJson(patchedTypes[part], value, { registry: knownTypes }))
  const isFilter = part === 'HTTP_FILTER' || part === 'NETWORK_FILTER'
  if (types.length === 0) return isFilter
  return types.some((type) => {
    const filter = filterType.exec(type)?.[1]
    return filter !== undefined && !harmless.includes(filter)
  })
}

/** The types that are named anywhere in a message: of what is packed, and of what Envoy makes of a TypedStruct. */
const findTypes = (json: unknown): readonly string[] => {
  if (Array.isArray(json)) return json.flatMap(findTypes)
  if (typeof json !== 'object' || json === null) return []
  return Object.entries(json).flatMap(([name, value]) =>
    (name === '@type' || name === 'typeUrl') && typeof value === 'string' ? [value] : findTypes(value),
  )
}
