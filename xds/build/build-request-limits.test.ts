import { fromBinary } from '@bufbuild/protobuf'
import { anyUnpack } from '@bufbuild/protobuf/wkt'
import { expect, it } from 'vitest'
import { TypedExtensionConfigSchema } from '#envoy/envoy/config/core/v3/extension_pb.ts'
import { LocalRateLimitSchema } from '#envoy/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit_pb.ts'
import type { RequestLimit } from '#xds/model/request-limit.ts'
import type { EncodedResource } from '#xds/resource-set.ts'
import { buildRequestLimits } from './build-request-limits.ts'

const makeLimit = (object: string, failOpen = true): RequestLimit => ({
  id: `mesh/${object}/all`,
  object,
  match: [],
  by: [],
  failOpen,
  bucket: { requests: 1, periodMs: 1000, burst: 1 },
})

const idsOf = ({ body }: EncodedResource): readonly (string | undefined)[] => {
  const { typedConfig } = fromBinary(TypedExtensionConfigSchema, body)
  const filter = typedConfig && anyUnpack(typedConfig, LocalRateLimitSchema)
  return (filter?.descriptors ?? []).map(({ entries }) => entries[0]?.value)
}

it('what a proxy refuses is found by leaving out one object after the other, at last all', () => {
  const { resource } = buildRequestLimits([makeLimit('a'), makeLimit('b')])
  expect(idsOf(resource)).toEqual(['mesh/a/all', 'mesh/b/all'])
  const fallbacks = resource.fallbacks?.('no') ?? []
  expect(fallbacks.map((each) => [idsOf(each.resource), each.without, each.isTrial ?? false])).toEqual([
    [['mesh/b/all'], [{ object: 'a', reason: 'no' }], true],
    [['mesh/a/all'], [{ object: 'b', reason: 'no' }], true],
    [
      [],
      [
        { object: 'a', reason: 'no' },
        { object: 'b', reason: 'no' },
      ],
      false,
    ],
  ])
})

it.each<[readonly RequestLimit[], readonly (readonly [string, readonly string[]])[]]>([
  [[makeLimit('a', false)], [['RBAC', ['a']]]],
  [
    [makeLimit('a', false), makeLimit('b')],
    [
      ['LocalRateLimit', ['b']],
      ['RBAC', ['a', 'b']],
    ],
  ],
  [[makeLimit('a', false), makeLimit('b', false)], [['RBAC', ['a', 'b']]]],
])('a limit that does not fail open is never left out', (limits, expected) => {
  const fallbacks = buildRequestLimits(limits).resource.fallbacks?.('no') ?? []
  const typeOf = ({ body }: EncodedResource) =>
    fromBinary(TypedExtensionConfigSchema, body).typedConfig?.typeUrl.split('.').at(-1)
  expect(fallbacks.map(({ resource, without }) => [typeOf(resource), without.map(({ object }) => object)])).toEqual(
    expected,
  )
})

it('without limits there is nothing to refuse', () => {
  expect(buildRequestLimits([]).resource.fallbacks).toBeUndefined()
})
