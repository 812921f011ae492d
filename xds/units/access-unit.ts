import { buildAccessFilters } from '#xds/build/build-access.ts'
import { compileAccess, type AccessPlace } from '#xds/compile/compile-access.ts'
import { collectProblems } from '#xds/compile/report.ts'
import type { Unit } from '#xds/incremental/unit.ts'

/** What the filters of access do in the listeners of all proxies for which these policies are. */
export const accessUnit = (place: AccessPlace): Unit => ({
  key: `access|${place.namespace}|${place.policies}`,
  compile(view) {
    const { problems, report } = collectProblems()
    return { resources: buildAccessFilters(compileAccess(view, place, 'requests', report)), problems }
  },
})
