import type { TokenKey } from '#mesh/security/select-request-authentications.ts'
import { buildTokenFilter } from '#xds/build/build-token-filter.ts'
import { compileTokenCheck } from '#xds/compile/compile-token-check.ts'
import { collectProblems } from '#xds/compile/report.ts'
import type { Unit } from '#xds/incremental/unit.ts'

/** What the filter of tokens does in the listeners of all proxies for which these RequestAuthentications are. */
export const tokenUnit = (objects: TokenKey): Unit => ({
  key: `tokens|${objects}`,
  compile(view) {
    const { problems, report } = collectProblems()
    return { resources: [buildTokenFilter(compileTokenCheck(view, objects, report))], problems }
  },
})
