import type { ConfigObject, Configured } from '../config-object.ts'
import type { Problem } from '../problem.ts'
import { err, ok } from '../result.ts'
import type { Result } from '../result.ts'
import { examineObject, toProblem } from './examine-object.ts'
import type { KindDefinition } from './kind-definition.ts'
import { toProblems } from './to-problems.ts'

export interface ParsedObject {
  /** As it was written, less what Kubernetes adds to it. */
  readonly object: ConfigObject
  /** Its spec as its kind's schema gives it. */
  readonly spec: unknown
  readonly warnings: readonly Problem[]
}

/** Problems of one object that are reported. */
const maxProblems = 100

/** Reads one object. Never throws; all that is wrong with it is reported at once (at most 100 problems). */
export const parseObject = (
  value: unknown,
  options: {
    /** For an object that names no namespace. */
    readonly defaultNamespace: string
  },
): Result<ParsedObject, readonly Problem[]> => {
  const { problems: found, accepted } = examineObject(value, options)
  const problems = found.slice(0, maxProblems).map((problem) => toProblem(problem, value, options.defaultNamespace))
  return accepted ? ok({ ...accepted, warnings: problems }) : err(problems)
}

/**
 * An object that was parsed before and stored, with its spec as its kind's schema gives it. Problems when another version of Atoll
 * had accepted what this one refuses.
 */
export const configuredAs = <Spec>(
  definition: KindDefinition<Spec>,
  object: ConfigObject,
): Result<Configured<Spec>, readonly Problem[]> => {
  const spec = definition.schema.safeParse(object.spec, { reportInput: true })
  if (spec.success) return ok({ ...object, spec: spec.data })
  const found = toProblems(spec.error, ['spec']).slice(0, maxProblems)
  return err(found.map((problem) => toProblem(problem, object, object.metadata.namespace)))
}

/** What is in force instead of an object that is refused; undefined = nothing, as with most kinds. */
export const closedAs = <Spec>(
  definition: KindDefinition<Spec>,
  object: Configured<unknown>,
): Configured<Spec> | undefined => {
  if (!definition.closed) return undefined
  const parsed = configuredAs(definition, { ...object, spec: definition.closed(object.spec) })
  return parsed.ok ? parsed.value : undefined
}
