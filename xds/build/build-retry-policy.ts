import { create } from '@bufbuild/protobuf'
import {
  HeaderMatcherSchema,
  RetryPolicySchema,
  type RetryPolicy,
} from '#envoy/envoy/config/route/v3/route_components_pb.ts'
import { PreviousHostsPredicateSchema } from '#envoy/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.ts'
import type { Retries } from '#xds/model/virtual-host.ts'
import { toAny } from './any.ts'
import { toDuration } from './duration.ts'
import { undeliveredHeader } from './undelivered-header.ts'

const previousHosts = [
  {
    name: 'envoy.retry_host_predicates.previous_hosts',
    configType: { case: 'typedConfig' as const, value: toAny(PreviousHostsPredicateSchema, {}) },
  },
]
const undelivered = [
  create(HeaderMatcherSchema, { name: undeliveredHeader, headerMatchSpecifier: { case: 'presentMatch', value: true } }),
]
/** How often another host is looked for before a tried one is taken again. */
const hostSelectionRetryMaxAttempts = 5n

/** Nearly all virtual hosts have the default: it is made once. */
const built = new WeakMap<Retries, RetryPolicy>()

export const buildRetryPolicy = (retries: Retries): RetryPolicy => {
  const known = built.get(retries)
  if (known) return known
  const policy = toRetryPolicy(retries)
  built.set(retries, policy)
  return policy
}

const toRetryPolicy = ({ attempts, perTryTimeoutMs, on, onStatusCodes, onUndelivered }: Retries): RetryPolicy =>
  attempts === 0
    ? create(RetryPolicySchema, { numRetries: 0 })
    : create(RetryPolicySchema, {
        retryOn: [...on, ...(onUndelivered ? ['retriable-headers'] : [])].join(','),
        ...(onUndelivered && { retriableHeaders: undelivered }),
        numRetries: attempts,
        retriableStatusCodes: [...onStatusCodes],
        retryHostPredicate: previousHosts,
        hostSelectionRetryMaxAttempts,
        ...(perTryTimeoutMs !== undefined && { perTryTimeout: toDuration(perTryTimeoutMs) }),
      })
