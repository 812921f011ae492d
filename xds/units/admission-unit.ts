import {
  findClientAuthentications,
  type ClientAuthenticationKey,
} from '#mesh/security/select-client-authentications.ts'
import { closedAdmission, openAdmission } from '#xds/build/build-admission.ts'
import { buildAttempts, openAttempts } from '#xds/build/build-client-attempts.ts'
import { answeringPreflights, ignoringPreflights } from '#xds/build/build-preflight.ts'
import { compileAdmission } from '#xds/compile/compile-admission.ts'
import { collectProblems } from '#xds/compile/report.ts'
import type { Unit } from '#xds/incremental/unit.ts'

/**
 * What the filter of clients, and those before it, do in the listeners of all proxies for which these ClientAuthentications are. Where it goes by keys these are
 * beside the compiler: the agent gives it with them.
 */
export const admissionUnit = (objects: ClientAuthenticationKey): Unit => ({
  key: `admission|${objects}`,
  compile(view) {
    const { problems, report } = collectProblems()
    const admission = compileAdmission(findClientAuthentications(view, objects), report)
    if (admission === undefined) return { resources: [ignoringPreflights, openAttempts, openAdmission], problems }
    if (admission === 'closed') return { resources: [ignoringPreflights, openAttempts, closedAdmission], problems }
    return { resources: [answeringPreflights, buildAttempts(admission)], problems }
  },
})
