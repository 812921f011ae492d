import { findRateLimits, type RateLimitKey } from '#mesh/security/select-rate-limits.ts'
import { buildRequestLimits } from '#xds/build/build-request-limits.ts'
import { compileRequestLimits } from '#xds/compile/compile-request-limits.ts'
import type { Unit } from '#xds/incremental/unit.ts'

/** What the filter of limits does in the listeners of all proxies for which these RateLimits are. */
export const requestLimitUnit = (objects: RateLimitKey): Unit => ({
  key: `limits|${objects}`,
  compile: (view) => ({ resources: [buildRequestLimits(compileRequestLimits(findRateLimits(view, objects)))] }),
})
