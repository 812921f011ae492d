import { create, fromJson, toJson, type JsonValue } from '@bufbuild/protobuf'
import { expect, test } from 'vitest'
import { ClusterSchema } from '#envoy/envoy/config/cluster/v3/cluster_pb.ts'
import { LuaSchema } from '#envoy/envoy/extensions/filters/http/lua/v3/lua_pb.ts'
import { RouterSchema } from '#envoy/envoy/extensions/filters/http/router/v3/router_pb.ts'
import { toAny } from '#xds/build/any.ts'
import { mergeAny, mergeMessage, type MergeOptions } from './merge-message.ts'

const merge = (target: JsonValue, source: JsonValue, options?: MergeOptions): JsonValue => {
  const [into, from] = [fromJson(ClusterSchema, target), fromJson(ClusterSchema, source)]
  const before = toJson(ClusterSchema, from)
  mergeMessage(ClusterSchema, into, from, options)
  const merged = toJson(ClusterSchema, into)
  mergeMessage(ClusterSchema, into, fromJson(ClusterSchema, { connectTimeout: '99s' }))
  expect(toJson(ClusterSchema, from)).toEqual(before)
  return merged
}

const health = (path: string) => ({
  timeout: '1s',
  interval: '1s',
  unhealthyThreshold: 1,
  healthyThreshold: 1,
  httpHealthCheck: { path },
})

test.each<[string, JsonValue, JsonValue, JsonValue]>([
  ['a scalar', { name: 'a' }, { name: 'b' }, { name: 'b' }],
  ['a duration, whole', { connectTimeout: '10s' }, { connectTimeout: '0.500s' }, { connectTimeout: '0.500s' }],
  [
    'a wrapped scalar',
    { perConnectionBufferLimitBytes: 1 },
    { perConnectionBufferLimitBytes: 0 },
    { perConnectionBufferLimitBytes: 0 },
  ],
  [
    'a message, field by field',
    { outlierDetection: { consecutive5xx: 1 } },
    { outlierDetection: { interval: '1s' } },
    { outlierDetection: { consecutive5xx: 1, interval: '1s' } },
  ],
  [
    'a list, at its end',
    { healthChecks: [health('/a')] },
    { healthChecks: [health('/b')] },
    { healthChecks: [health('/a'), health('/b')] },
  ],
  ['a oneof, by the other case', { type: 'EDS' }, { clusterType: { name: 'a' } }, { clusterType: { name: 'a' } }],
  [
    'metadata, by key',
    { metadata: { filterMetadata: { a: { x: 1 } } } },
    { metadata: { filterMetadata: { b: { y: 1 } } } },
    { metadata: { filterMetadata: { a: { x: 1 }, b: { y: 1 } } } },
  ],
])('merges %s', (_, target, source, expected) => {
  expect(merge(target, source)).toEqual(expected)
})

test('replaces lists where that is asked for', () => {
  expect(merge({ healthChecks: [health('/a')] }, { healthChecks: [health('/b')] }, { replacesLists: true })).toEqual({
    healthChecks: [health('/b')],
  })
})

test('what is packed is merged when it is of one type, and stays as it is otherwise', () => {
  const target = toAny(RouterSchema, { suppressEnvoyHeaders: true })
  expect(mergeAny(target, toAny(RouterSchema, { startChildSpan: true }))).toEqual(
    toAny(RouterSchema, { suppressEnvoyHeaders: true, startChildSpan: true }),
  )
  expect(mergeAny(target, toAny(LuaSchema, create(LuaSchema)))).toBe(target)
})
