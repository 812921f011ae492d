import { z } from 'zod'
import { isFields } from '../../is-fields.ts'
import { problemCode } from '../../problem.ts'

/**
 * The vocabulary that the kinds are written in: protobuf messages in their JSON form. A kind lists every field that upstream
 * has: those that Atoll acts on with their schema, the others as `unsupported` with a reason. Nothing else gets through.
 */

/** What the support table says about a field; found by walking a kind's schema. */
export interface FieldNote {
  /** Why Atoll refuses the field. */
  readonly refused?: string
  /** Atoll takes it and nothing follows from it; why, where that is not plain. */
  readonly withoutEffect?: true | string
  /** What of its values is taken. */
  readonly limit?: string
  /** The enum values or forms that are taken … */
  readonly values?: readonly string[]
  /** … and those that upstream has and Atoll refuses, with the reason. */
  readonly refusedValues?: Readonly<Record<string, string>>
}
export const fieldNotes = z.registry<FieldNote>()

/** What a check tells `toProblems` through a zod issue's `params`. */
const issueParamsSchema = z.object({
  problem: problemCode.optional(),
  /** The names that would have been right here, for a "did you mean". */
  known: z.array(z.string()).readonly().optional(),
  /** What is meant by names that are unlike the right ones. */
  meant: z.record(z.string(), z.string()).readonly().optional(),
})
type IssueParams = z.output<typeof issueParamsSchema>

export const issueParams = (issue: z.core.$ZodIssue): IssueParams =>
  issue.code === 'custom' && issue.params ? issueParamsSchema.parse(issue.params) : {}

type Path = readonly PropertyKey[]

interface Checked<T> {
  readonly value: T
  /** Nothing inside the value was reported: what seems to be missing is not only what was refused. */
  readonly sound: boolean
  readonly report: (message: string, path?: Path, params?: IssueParams) => void
}

/** A check over a parsed value that may report several things; `path` is relative to the value. */
export const checked = <S extends z.ZodType>(schema: S, check: (on: Checked<z.output<S>>) => void): S =>
  schema.check((context) => {
    check({
      value: context.value,
      sound: context.issues.length === 0,
      report: (message, path = [], params) =>
        context.issues.push({
          code: 'custom',
          input: context.value,
          message,
          path: [...path],
          continue: true,
          ...(params && { params: { ...params } }),
        }),
    })
  })

const unknownField = (known: readonly string[], meant: Hints['meant']) =>
  checked(z.unknown(), ({ report }) => report('is not a field', [], { problem: 'unknown_field', known, meant }))

/** In protobuf's JSON form a field that is null is unset. (An entry of a map is not: it stays, and is refused.) */
const withoutNulls = (value: unknown): unknown =>
  isFields(value) ? Object.fromEntries(Object.entries(value).filter(([, field]) => field !== null)) : value

/** For people who take a message for another one. */
interface Hints {
  /** An example, for whoever writes what is no object. */
  readonly example?: string
  /** What other messages call its fields, and what is written here. */
  readonly meant?: Readonly<Record<string, string>>
}

const notAnObject =
  (example: string) =>
  ({ input }: { readonly input?: unknown }): string | undefined =>
    input === undefined ? undefined : `must be an object such as ${example}`

/** A protobuf message: every field that it has; others are reported. */
export const message = <Shape extends z.ZodRawShape>(shape: Shape, { example, meant }: Hints = {}) => {
  const known: z.ZodType<z.output<z.ZodObject<Shape, z.core.$strip>>> = z
    .object(shape, example === undefined ? undefined : { error: notAnObject(example) })
    .catchall(unknownField(Object.keys(shape), meant))
  return z.preprocess(withoutNulls, known)
}

/** The part of a message that is read where the whole of it was checked before. */
export const partOfMessage = <Shape extends z.ZodRawShape>(shape: Shape) => z.preprocess(withoutNulls, z.object(shape))

/** In protobuf these say the same as leaving the field out. */
export const isUnset = (value: unknown): boolean =>
  value === undefined || value === false || value === '' || (Array.isArray(value) && value.length === 0)

/** A field that upstream has and Atoll refuses, unless its value says the same as leaving it out. */
export const unsupported = (refused: string) =>
  checked(z.unknown(), ({ value, report }) => {
    if (!isUnset(value)) report(refused, [], { problem: 'unsupported' })
  })
    .transform((): undefined => undefined)
    .optional()
    .register(fieldNotes, { refused })

/** A field that Atoll takes though nothing follows from it: it is for nodes and load balancers of Kubernetes, or for people. */
export const withoutEffect = (schema: z.ZodType = z.unknown(), why: true | string = true) =>
  schema
    .transform((): undefined => undefined)
    .optional()
    .register(fieldNotes, { withoutEffect: why })

/** What is said of a field that upstream takes and does nothing with. */
export const unheeded = 'nothing follows from it, as in Istio: leave it out'

/** Such a field. The check of its kind warns of it. */
export const unheededField = () => z.unknown().optional().register(fieldNotes, { withoutEffect: unheeded })

/** An enum; `refused` holds upstream's other values with the reason. */
export const choice = <const Value extends string | number>(
  values: readonly Value[],
  refused: Readonly<Record<string, string>> = {},
) =>
  z
    .unknown()
    .transform((input, context): Value => {
      const found = values.find((value) => value === input)
      if (found !== undefined) return found
      const reason = typeof input === 'string' && Object.hasOwn(refused, input) ? refused[input] : undefined
      const params: IssueParams = reason === undefined ? { known: values.map(String) } : { problem: 'unsupported' }
      context.issues.push({
        code: 'custom',
        input,
        message: reason ?? `must be one of ${values.join(', ')}`,
        params: { ...params },
      })
      return z.NEVER
    })
    .register(fieldNotes, { values: values.map(String), refusedValues: refused })

/** A protobuf string: "" is unset. */
export const optionalText = <S extends z.ZodType>(schema: S) =>
  z.preprocess((value) => (value === '' ? undefined : value), schema.optional()).optional()

/** The fields of `value` that are set, of these. */
export const setFields = <T extends object>(
  value: T,
  fields: readonly (keyof T & string)[],
): readonly (keyof T & string)[] => fields.filter((field) => value[field] !== undefined)
