import { parseObject } from '#mesh/config/parse-object.ts'
import type { Problem } from '#mesh/problem.ts'

const toProblemsOfSpec =
  <T>(toText: (problem: Problem) => T) =>
  (kind: string, spec: unknown, metadata: object = {}, apiVersion = 'networking.istio.io/v1'): T[] => {
    const result = parseObject(
      { apiVersion, kind, metadata: { name: 'case', namespace: 'shop', ...metadata }, spec },
      { defaultNamespace: 'default' },
    )
    return (result.ok ? result.value.warnings : result.error).map(toText)
  }

const toPlace = ({ code, severity, path }: Problem): string => `${severity === 'warning' ? severity : code} ${path}`

/** What is wrong with a spec, as "code path: message" (warnings: "warning path: message"); nothing when it is accepted. */
export const problemsOfSpec = toProblemsOfSpec((problem) => `${toPlace(problem)}: ${problem.message}`)

/** Only where and of which kind the problems are. */
export const pathsOfProblems = toProblemsOfSpec(toPlace)
