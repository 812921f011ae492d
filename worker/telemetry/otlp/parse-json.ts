import { z } from 'zod'
import { AtollError } from '#api/atoll-error.ts'
import { parseJson } from '#mesh/parse-json.ts'
import { checkJsonSize } from './budget.ts'

/** 64-bit integers are digits in a text, or numbers (protobuf's JSON). */
export const integer = z.union([z.string().regex(/^-?\d{1,20}$/), z.int()])

/** A request of OTLP/HTTP in JSON. Throws AtollError `invalid_request`. */
export const parseOtlpJson = <Schema extends z.ZodType>(schema: Schema, bytes: Uint8Array): z.output<Schema> => {
  checkJsonSize(bytes)
  const parsed = schema.safeParse(parseJson(new TextDecoder().decode(bytes)))
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new AtollError('invalid_request', `not OTLP: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`)
}
