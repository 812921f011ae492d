import { parseObject } from '#mesh/kinds/parse-object.ts'

const problemsOf = (kind: string, spec: unknown, metadata: object, apiVersion: string) => {
  const result = parseObject(
    { apiVersion, kind, metadata: { name: 'case', namespace: 'shop', ...metadata }, spec },
    { defaultNamespace: 'default' },
  )
  return result.ok ? result.value.warnings : result.error
}

/** What is wrong with a spec, as "code path: message" (warnings: "warning path: message"); nothing when it is accepted. */
export const problemsOfSpec = (
  kind: string,
  spec: unknown,
  metadata: object = {},
  apiVersion = 'networking.istio.io/v1',
) =>
  problemsOf(kind, spec, metadata, apiVersion).map(
    ({ code, severity, path, message }) => `${severity === 'warning' ? severity : code} ${path}: ${message}`,
  )

/** Only where and of which kind the problems are. */
export const pathsOfProblems = (
  kind: string,
  spec: unknown,
  metadata: object = {},
  apiVersion = 'networking.istio.io/v1',
) =>
  problemsOf(kind, spec, metadata, apiVersion).map(
    ({ code, severity, path }) => `${severity === 'warning' ? severity : code} ${path}`,
  )
