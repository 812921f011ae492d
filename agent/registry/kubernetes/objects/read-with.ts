import type { z } from 'zod'
import { toProblems } from '#mesh/kinds/to-problems.ts'
import { toProblem } from '#mesh/kinds/examine-object.ts'
import type { ObjectReading } from '#agent/registry/kubernetes/resource-store.ts'

/** A reader of objects by a schema that names only what is used of them. */
export const readWith =
  <S extends z.ZodType, T>(kind: string, schema: S, toValue: (object: z.output<S>) => T | null) =>
  (object: unknown): ObjectReading<T> => {
    const parsed = schema.safeParse(object, { reportInput: true })
    if (parsed.success) return { value: toValue(parsed.data), problems: [] }
    const named = typeof object === 'object' ? { ...object, kind } : object
    return { value: undefined, problems: toProblems(parsed.error, []).map((found) => toProblem(found, named, '')) }
  }
