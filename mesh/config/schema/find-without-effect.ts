import { z } from 'zod'
import { isFields } from '../../is-fields.ts'
import { isUnset } from './message.ts'
import { unwrap } from './unwrap.ts'

export interface SetWithoutEffect {
  readonly path: readonly PropertyKey[]
  /** Why nothing follows from it, where that is not plain. */
  readonly why?: string
}

/** The fields of a message and of the messages in it, and in its lists, that are set and that nothing follows from. */
export const findSetWithoutEffect = (
  schema: z.core.$ZodType,
  value: unknown,
  path: readonly PropertyKey[] = [],
): readonly SetWithoutEffect[] => {
  const { schema: inner, suffix } = unwrap(schema)
  if (!(inner instanceof z.ZodObject)) return []
  if (suffix === '[]' && Array.isArray(value))
    return value.flatMap((each, index) => findSetWithoutEffect(inner, each, [...path, index]))
  if (suffix !== '' || !isFields(value)) return []
  return Object.entries<z.core.$ZodType>(inner.def.shape).flatMap(([name, field]): readonly SetWithoutEffect[] => {
    const given = value[name]
    if (given === null || isUnset(given)) return []
    const { withoutEffect } = unwrap(field).note
    const place = [...path, name]
    if (withoutEffect === undefined) return findSetWithoutEffect(field, given, place)
    return [{ path: place, ...(withoutEffect !== true && { why: withoutEffect }) }]
  })
}
