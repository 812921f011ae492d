import { findRateLimits, type RateLimitKey } from '#mesh/security/select-rate-limits.ts'
import { buildMeshLimits } from '#xds/build/build-mesh-limits.ts'
import { buildRequestLimits } from '#xds/build/build-request-limits.ts'
import { compileRequestLimits } from '#xds/compile/compile-request-limits.ts'
import { collectProblems } from '#xds/compile/report.ts'
import type { Unit } from '#xds/incremental/unit.ts'

/** What the filters of limits do in the listeners of all proxies for which these RateLimits are. */
export const requestLimitUnit = (objects: RateLimitKey): Unit => ({
  key: `limits|${objects}`,
  compile(view) {
    const { problems, report } = collectProblems()
    const { own, mesh } = compileRequestLimits(findRateLimits(view, objects), report)
    return { resources: [buildRequestLimits(own), ...buildMeshLimits(mesh)], problems }
  },
})
