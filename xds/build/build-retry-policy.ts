import { create } from '@bufbuild/protobuf'
import {
  HeaderMatcherSchema,
  RetryPolicySchema,
  type RetryPolicy,
} from '#envoy/envoy/config/route/v3/route_components_pb.ts'
import { PreviousHostsPredicateSchema } from '#envoy/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.ts'
import { PreviousPrioritiesConfigSchema } from '#envoy/envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config_pb.ts'
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
/** How many tries a priority gets. */
const updateFrequency = 2
const previousPriorities = {
  name: 'envoy.retry_priorities.previous_priorities',
  configType: { case: 'typedConfig' as const, value: toAny(PreviousPrioritiesConfigSchema, { updateFrequency }) },
}
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

const toRetryPolicy = (retries: Retries): RetryPolicy => {
  const { attempts, perTryTimeoutMs, on, onStatusCodes, onUndelivered, backoffMs } = retries
  if (attempts === 0) return create(RetryPolicySchema, { numRetries: 0 })
  return create(RetryPolicySchema, {
    retryOn: [...on, ...(onUndelivered ? ['retriable-headers'] : [])].join(','),
    ...(onUndelivered && { retriableHeaders: undelivered }),
    numRetries: attempts,
    retriableStatusCodes: [...onStatusCodes],
    ...(retries.onOtherHosts && { retryHostPredicate: previousHosts }),
    ...(retries.onOtherPriorities && { retryPriority: previousPriorities }),
    hostSelectionRetryMaxAttempts,
    ...(perTryTimeoutMs !== undefined && { perTryTimeout: toDuration(perTryTimeoutMs) }),
    ...(backoffMs !== undefined && { retryBackOff: { baseInterval: toDuration(backoffMs) } }),
  })
}
