import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { hash } from 'node:crypto'
import type { ProxyMethod } from '#agent/ads/proxy-methods.ts'
import type { ProxyGrant } from '#agent/proxy-auth/proxy-authenticator.ts'
import {
  RateLimitRequestSchema,
  RateLimitResponse_Code as Code,
  RateLimitResponseSchema,
  RateLimitService,
} from '#envoy/envoy/service/ratelimit/v3/rls_pb.ts'
import type { RateLimitDescriptor } from '#envoy/envoy/extensions/common/ratelimit/v3/ratelimit_pb.ts'
import { parseLimitName } from '#mesh/limits/limit-terms.ts'
import { UPLINK_MAX_CONSUMER_CHARS } from '#mesh/uplink.ts'
import type { LimitBook, LimitUse } from './limit-book.ts'

export interface LimitMethodOptions {
  readonly book: Pick<LimitBook, 'decide'>
  readonly rootNamespace: () => string
}

/** Envoy's RateLimitService: whether a request goes through, of the limits of the scope MESH that it counts for. */
export const toLimitMethod = ({ book, rootNamespace }: LimitMethodOptions): ProxyMethod => ({
  path: `/${RateLimitService.typeName}/${RateLimitService.method.shouldRateLimit.name}`,
  isQuick: true,
  receive(grant, message) {
    const { descriptors } = fromBinary(RateLimitRequestSchema, message)
    const uses = descriptors.map(toUse)
    // Nobody uses up what is another namespace's.
    if (!uses.every(({ limit }) => isFor(limit, grant, rootNamespace()))) throw new Error('a limit that is not for it')
    const codes = book.decide(uses).map((passes) => (passes ? Code.OK : Code.OVER_LIMIT))
    const answer = create(RateLimitResponseSchema, {
      overallCode: codes.includes(Code.OVER_LIMIT) ? Code.OVER_LIMIT : Code.OK,
      statuses: codes.map((code) => ({ code })),
    })
    return Buffer.from(toBinary(RateLimitResponseSchema, answer))
  },
})

const toUse = ({ entries: [limit, ...by] }: RateLimitDescriptor): LimitUse => ({
  limit: limit?.value ?? '',
  consumer: toConsumer(by),
})

const isFor = (limit: string, { proxy }: ProxyGrant, rootNamespace: string): boolean => {
  const namespace = parseLimitName(limit)?.namespace
  return namespace === proxy.namespace || namespace === rootNamespace
}

/**
 * Who a count is kept of, as people are shown it. What a header or a path says may be a secret, such as an API key: it leaves the cluster only as a fingerprint. Of addresses a
 * fingerprint would hide nothing: all of them are soon tried.
 */
const toConsumer = (by: RateLimitDescriptor['entries']): string => {
  const parts = by.map(({ key, value }) => (mayBeSecret.test(key) && value !== '' ? toFingerprint(value) : value))
  const text = parts.length === 1 ? (parts[0] ?? '') : parts.length === 0 ? '' : JSON.stringify(parts)
  return text.length > UPLINK_MAX_CONSUMER_CHARS ? toFingerprint(text) : text
}

/** As `toKeyName` of xds/build names them. */
const mayBeSecret = /^(?:header|path)\d+$/

const fingerprintLength = 32

const toFingerprint = (text: string): string => `sha256:${hash('sha256', text).slice(0, fingerprintLength)}`
