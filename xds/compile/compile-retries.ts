import { toMilliseconds } from '#mesh/config/schema/duration.ts'
import type { HttpRetries } from '#mesh/config/schema/http-retries.ts'
import type { Retries } from '#xds/model/virtual-host.ts'

/**
 * Istio reference: HTTPRetry.attempts, retryOn ("defaults to …"). An application that has just ended is a connection failure as well, though
 * the proxy beside it still answers.
 */
export const defaultRetries: Retries = {
  attempts: 2,
  on: ['connect-failure', 'refused-stream', 'unavailable', 'cancelled'],
  onStatusCodes: [],
  onUndelivered: true,
  onOtherHosts: true,
}

/** The default where a consistent hash chooses the host: the one that it chose is tried again. */
export const defaultHashedRetries: Retries = { ...defaultRetries, onOtherHosts: false }

/** What a route says of retries; `isHashed`: whether a consistent hash chooses its host. */
export const compileRetries = (retries: HttpRetries, isHashed: boolean): Retries => {
  const { attempts = 0, perTryTimeout, retryOn, backoff, retryIgnorePreviousHosts, retryRemoteLocalities } = retries
  const conditions = retryOn?.split(',') ?? defaultRetries.on
  const codes = conditions.filter((condition) => /^\d/.test(condition) && condition !== '5xx')
  const named = conditions.filter((condition) => !codes.includes(condition))
  return {
    attempts,
    on: codes.length > 0 && !named.includes('retriable-status-codes') ? [...named, 'retriable-status-codes'] : named,
    onStatusCodes: codes.map(Number),
    onUndelivered: conditions.includes('connect-failure'),
    onOtherHosts: retryIgnorePreviousHosts ?? !isHashed,
    ...(retryRemoteLocalities && { onOtherPriorities: true }),
    ...(perTryTimeout && { perTryTimeoutMs: toMilliseconds(perTryTimeout) }),
    ...(backoff && { backoffMs: toMilliseconds(backoff) }),
  }
}
