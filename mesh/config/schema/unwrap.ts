import { z } from 'zod'
import { fieldNotes, type FieldNote } from './message.ts'

export interface Unwrapped {
  readonly schema: z.core.$ZodType
  /** What was taken off of lists and maps: "[]" and "{}", one after the other. */
  readonly suffix: string
  /** All that is noted on the way. */
  readonly note: FieldNote
}

/** Takes off what is around a message or a scalar: optional, default, checks, lists, maps. */
export const unwrap = (schema: z.core.$ZodType, suffix = '', outer: FieldNote = {}): Unwrapped => {
  const note = { ...outer, ...fieldNotes.get(schema) }
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault)
    return unwrap(schema.def.innerType, suffix, note)
  if (schema instanceof z.ZodPipe)
    return unwrap(schema.in instanceof z.ZodTransform ? schema.out : schema.in, suffix, note)
  if (schema instanceof z.ZodArray) return unwrap(schema.def.element, `${suffix}[]`, note)
  if (schema instanceof z.ZodRecord) return unwrap(schema.def.valueType, `${suffix}{}`, note)
  return { schema, suffix, note }
}
