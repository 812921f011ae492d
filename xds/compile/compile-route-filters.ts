import type { CorsPolicy } from '#mesh/config/schema/cors-policy.ts'
import { toMilliseconds } from '#mesh/config/schema/duration.ts'
import { grpcStatuses, type HttpFault } from '#mesh/config/schema/http-fault.ts'
import type { Percentage } from '#mesh/config/schema/percentage.ts'
import type { Cors, Fault, TextMatch } from '#xds/model/virtual-host.ts'
import { compileText } from './compile-http-match.ts'

/** Out of a million, as Istio rounds it: down. 0.0001 % is the least. */
export const toShare = ({ value }: Percentage): number => Math.floor(Number((value * 10_000).toFixed(4)))

/** Istio reference: HTTPFaultInjection: without a percentage no request is affected. undefined = none ever is. */
export const compileFault = ({ delay, abort }: HttpFault): Fault | undefined => {
  const delayShare = toShare(delay?.percentage ?? { value: delay?.percent ?? 0 })
  const abortShare = toShare(abort?.percentage ?? { value: 0 })
  const status = abort && compileAbortStatus(abort)
  const fault: Fault = {
    ...(delay?.fixedDelay !== undefined &&
      delayShare > 0 && { delay: { durationMs: toMilliseconds(delay.fixedDelay), share: delayShare } }),
    ...(status && abortShare > 0 && { abort: { ...status, share: abortShare } }),
  }
  return fault.delay || fault.abort ? fault : undefined
}

const compileAbortStatus = ({ httpStatus, grpcStatus }: NonNullable<HttpFault['abort']>) => {
  if (httpStatus !== undefined) return { kind: 'http' as const, status: httpStatus }
  return grpcStatus && { kind: 'grpc' as const, status: grpcStatuses.indexOf(grpcStatus) }
}

export const compileCors = (policy: CorsPolicy): Cors => ({
  origins: compileOrigins(policy),
  ...compileList('methods', policy.allowMethods),
  ...compileList('headers', policy.allowHeaders),
  ...compileList('exposedHeaders', policy.exposeHeaders),
  ...(policy.maxAge !== undefined && { maxAgeSeconds: toMilliseconds(policy.maxAge) / 1000 }),
  ...(policy.allowCredentials !== undefined && { allowsCredentials: policy.allowCredentials }),
  forwardsUnmatched: policy.unmatchedPreflights !== 'IGNORE',
})

const compileOrigins = ({ allowOrigins, allowOrigin }: CorsPolicy): readonly TextMatch[] =>
  allowOrigins?.flatMap((origin) => compileText(origin) ?? []) ??
  (allowOrigin ?? []).map((text) => ({ kind: 'exact', text }))

const compileList = <Name extends string>(name: Name, values: readonly string[] | undefined) =>
  values && values.length > 0 ? ({ [name]: values.join(',') } as Record<Name, string>) : {}
