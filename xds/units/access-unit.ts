import type { AuthorizationKey } from '#mesh/security/select-authorizations.ts'
import { buildAccessFilters } from '#xds/build/build-access.ts'
import { compileAccess } from '#xds/compile/compile-access.ts'
import { collectProblems } from '#xds/compile/report.ts'
import type { Unit } from '#xds/incremental/unit.ts'

/** What the filters of access do in the listeners of all proxies for which these policies are. */
export const accessUnit = (policies: AuthorizationKey): Unit => ({
  key: `access|${policies}`,
  compile(view) {
    const { problems, report } = collectProblems()
    return { resources: buildAccessFilters(compileAccess(view, policies, 'requests', report)), problems }
  },
})
