import { toMilliseconds } from '#mesh/config/schema/duration.ts'
import type { MeshConfig } from '#mesh/config/mesh-config.ts'
import type { HttpRetries } from '#mesh/config/schema/http-retries.ts'
import type { Retries } from '#xds/model/virtual-host.ts'

/**
 * Istio reference: HTTPRetry.attempts, retryOn ("defaults to …"). An application that has just ended is a connection failure as well, though
 * the proxy beside it still answers.
 */
const builtInRetries: Retries = {
  attempts: 2,
  on: ['connect-failure', 'refused-stream', 'unavailable', 'cancelled'],
  onStatusCodes: [],
  onUndelivered: true,
  onOtherHosts: true,
}

/**
 * What holds where a route says nothing of retries (Istio reference: MeshConfig.defaultHttpRetryPolicy). `isHashed`: a consistent hash chooses the
 * host, and the one that it chose is tried again.
 */
export const compileDefaultRetries = ({ defaultHttpRetryPolicy }: MeshConfig, isHashed: boolean): Retries => {
  if (!defaultHttpRetryPolicy) return isHashed ? { ...builtInRetries, onOtherHosts: false } : builtInRetries
  const { perTryTimeout: _ofRoutesAlone, ...policy } = defaultHttpRetryPolicy
  return compileRetries({ attempts: builtInRetries.attempts, ...policy }, isHashed)
}

/** What a route says of retries; `isHashed`: whether a consistent hash chooses its host. */
export const compileRetries = (retries: HttpRetries, isHashed: boolean): Retries => {
  const { attempts = 0, perTryTimeout, retryOn, backoff, retryIgnorePreviousHosts, retryRemoteLocalities } = retries
  const conditions = retryOn?.split(',') ?? builtInRetries.on
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
