import { z } from 'zod'
import type { KindDefinition } from '../config/kind-definition.ts'
import type { FieldNote } from '../config/schema/message.ts'
import { unwrap } from '../config/schema/unwrap.ts'

/** A field of a kind's spec, as its schema knows it. */
export interface FieldDescription {
  /** From `spec` on: `http[].match[].headers{}.exact`; [] = each entry of a list, {} = each value of a map. */
  readonly path: string
  readonly note: FieldNote
  readonly fields: readonly FieldDescription[]
  /** The message, where other fields may have the same one. */
  readonly message: object | undefined
}

/** `outer`: of the message, where it holds for all that is in it. */
const describeMessage = (schema: z.core.$ZodType, prefix: string, outer: FieldNote = {}): readonly FieldDescription[] =>
  schema instanceof z.ZodObject
    ? Object.entries<z.core.$ZodType>(schema.def.shape).map(([name, field]) => {
        const inner = unwrap(field)
        const path = `${prefix}${name}${inner.suffix}`
        const isMessage = inner.schema instanceof z.ZodObject
        return {
          path,
          note: { ...outer, ...inner.note },
          fields: describeMessage(inner.schema, `${path}.`, inner.note.withoutEffect ? { withoutEffect: true } : outer),
          message: isMessage ? inner.schema : undefined,
        }
      })
    : []

/** Every field of a message, in the order of its schema. */
export const describeSchema = (schema: z.ZodType): readonly FieldDescription[] =>
  describeMessage(unwrap(schema).schema, '')

/** Every field of a kind's spec. */
export const describeFields = (definition: KindDefinition): readonly FieldDescription[] =>
  describeSchema(definition.schema)
