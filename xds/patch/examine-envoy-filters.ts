import { toObjectKey, type ConfigObject } from '#mesh/config-object.ts'
import { envoyFilter } from '#mesh/config/envoy-filter.ts'
import { configuredAs } from '#mesh/config/parse-object.ts'
import { toPathText } from '#mesh/config/to-problems.ts'
import type { Problem } from '#mesh/problem.ts'
import { parsePatch } from './parse-patch.ts'

/** What is wrong with the Envoy messages in EnvoyFilters, which their kind does not look into. Objects of other kinds may be among them. */
export const examineEnvoyFilters = (objects: readonly ConfigObject[]): readonly Problem[] =>
  objects.flatMap((object) => {
    if (object.kind !== envoyFilter.kind) return []
    const parsed = configuredAs(envoyFilter, object)
    if (!parsed.ok) return []
    const { namespace, name } = object.metadata
    return parsed.value.spec.configPatches.flatMap((each, index) => {
      const { errors, warnings } = parsePatch(toObjectKey(object.kind, namespace, name), each)
      const toProblem =
        (severity: Problem['severity']) =>
        ({ code, message }: { readonly code: Problem['code']; readonly message: string }): Problem => ({
          code,
          severity,
          object: { kind: object.kind, namespace, name },
          path: toPathText(['spec', 'configPatches', index, 'patch', 'value']),
          message,
        })
      return [...errors.map(toProblem('error')), ...warnings.map(toProblem('warning'))]
    })
  })
