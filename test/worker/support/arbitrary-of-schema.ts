import fc from 'fast-check'

/** The parts of a JSON schema that the OpenAPI document uses. */
export interface JsonSchema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly pattern?: string
  readonly format?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly items?: JsonSchema
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | JsonSchema
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
  readonly allOf?: readonly JsonSchema[]
}

type Schemas = Readonly<Record<string, JsonSchema>>

/** Values that a schema takes. What it says by other means, such as conditions between fields, is not heeded. */
export const arbitraryOf = (schema: JsonSchema, schemas: Schemas): fc.Arbitrary<unknown> => {
  const { $ref, enum: words, type } = schema
  if ($ref !== undefined) return arbitraryOf(schemas[$ref.split('/').at(-1) ?? ''] ?? {}, schemas)
  if (words !== undefined) return fc.constantFrom(...words)
  if ('const' in schema) return fc.constant(schema.const)
  const variants = schema.anyOf ?? schema.oneOf
  if (variants !== undefined) return fc.oneof(...variants.map((each) => arbitraryOf(each, schemas)))
  if (schema.allOf !== undefined)
    return fc
      .tuple(...schema.allOf.map((each) => arbitraryOf(each, schemas)))
      .map((parts) => Object.assign({}, ...parts) as unknown)
  const types = type === undefined ? [] : [type].flat()
  if (types.length === 0) return fc.jsonValue({ maxDepth: 2 })
  return fc.oneof(...types.map((each) => arbitraryOfType(each, schema, schemas)))
}

const arbitraryOfType = (type: string, schema: JsonSchema, schemas: Schemas): fc.Arbitrary<unknown> => {
  switch (type) {
    case 'string':
      return arbitraryText(schema)
    case 'integer':
      return fc.maxSafeInteger().map((value) => clamp(value, schema))
    case 'number':
      return fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => clamp(value, schema))
    case 'boolean':
      return fc.boolean()
    case 'null':
      return fc.constant(null)
    case 'array':
      return fc.array(arbitraryOf(schema.items ?? {}, schemas), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? 3, Math.max(3, schema.minItems ?? 0)),
      })
    case 'object':
      return arbitraryObject(schema, schemas)
    default:
      throw new Error(`a schema of the type ${type}`)
  }
}

const clamp = (value: number, { minimum = -Number.MAX_SAFE_INTEGER, maximum = Number.MAX_SAFE_INTEGER }: JsonSchema) =>
  Math.min(maximum, Math.max(minimum, value))

const arbitraryText = ({ pattern, format, minLength = 0, maxLength = 30 }: JsonSchema): fc.Arbitrary<string> => {
  if (format === 'date-time')
    return fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }).map((date) => date.toISOString())
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern))
  return fc.string({ minLength, maxLength: Math.max(minLength, Math.min(maxLength, 30)) })
}

const arbitraryObject = (
  { properties = {}, required = [], additionalProperties }: JsonSchema,
  schemas: Schemas,
): fc.Arbitrary<unknown> => {
  const fields = fc.record(
    Object.fromEntries(Object.entries(properties).map(([name, field]) => [name, arbitraryOf(field, schemas)])),
    { requiredKeys: required.filter((name) => name in properties) },
  )
  if (typeof additionalProperties !== 'object') return fields
  const rest = fc.dictionary(fc.string({ maxLength: 10 }), arbitraryOf(additionalProperties, schemas), { maxKeys: 3 })
  return fc.tuple(rest, fields).map(([more, own]) => ({ ...more, ...own }))
}
