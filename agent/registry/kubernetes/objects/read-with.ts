import type { z } from 'zod'
import { toProblems, type FoundProblem } from '#mesh/config/to-problems.ts'
import { toProblem } from '#mesh/config/examine-object.ts'
import type { ObjectReading } from '#agent/registry/kubernetes/resource-store.ts'

/** A reader of objects by a schema that names only what is used of them. `findFaults`: what is wrong with one that counts all the same. */
export const readWith =
  <S extends z.ZodType, T>(
    kind: string,
    schema: S,
    toValue: (object: z.output<S>) => T | null,
    findFaults: (object: z.output<S>) => readonly FoundProblem[] = () => [],
  ) =>
  (object: unknown): ObjectReading<T> => {
    const parsed = schema.safeParse(object, { reportInput: true })
    const named = typeof object === 'object' ? { ...object, kind } : object
    const toNamed = (found: FoundProblem) => toProblem(found, named, '')
    return parsed.success
      ? { value: toValue(parsed.data), problems: findFaults(parsed.data).map(toNamed) }
      : { value: undefined, problems: toProblems(parsed.error, []).map(toNamed) }
  }
