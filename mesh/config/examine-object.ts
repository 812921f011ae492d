import { isFields } from '../is-fields.ts'
import type { ConfigObject, Configured } from '../config-object.ts'
import { hasErrors, type Problem } from '../problem.ts'
import { findHostileValue } from './hostile-values.ts'
import type { KindDefinition } from './kind-definition.ts'
import { findKind, toUnknownKind } from './kind-table.ts'
import { parseMetadata } from './parse-metadata.ts'
import type { NameDefaults } from './parse-metadata.ts'
import { closestName } from './schema/closest-name.ts'
import { toPathText, toProblems } from './to-problems.ts'
import type { FoundProblem } from './to-problems.ts'

export interface Examined {
  readonly problems: readonly FoundProblem[]
  /** Absent when there is an error among the problems. */
  readonly accepted?: {
    /** As it was written, less what Kubernetes adds to it. */
    readonly object: ConfigObject
    /** Its spec as its kind's schema gives it. */
    readonly spec: unknown
  }
}

type Fields = Readonly<Record<string, unknown>>

/** Values of one object; none of a real one comes near. */
const maxValues = 2_000_000
const topLevel: readonly string[] = ['apiVersion', 'kind', 'metadata', 'spec', 'status']

const textOr = (value: unknown, fallback: string): string =>
  typeof value === 'string' && value !== '' ? value : fallback

/** What a value calls itself; undefined when it has no kind. */
export const toObjectName = (value: unknown, defaultNamespace: string): Problem['object'] => {
  if (!isFields(value) || typeof value.kind !== 'string') return undefined
  const metadata = isFields(value.metadata) ? value.metadata : {}
  return { kind: value.kind, namespace: textOr(metadata.namespace, defaultNamespace), name: textOr(metadata.name, '') }
}

/** Names the object as far as it says what it is. */
export const toProblem = (
  found: FoundProblem,
  value: unknown,
  defaultNamespace: string,
  place: { readonly document?: number; readonly line?: number } = {},
): Problem => {
  const object = toObjectName(value, defaultNamespace)
  return {
    code: found.code,
    severity: found.severity,
    ...(object && { object }),
    path: toPathText(found.path),
    message: found.message,
    ...place,
  }
}

const invalid = (path: readonly PropertyKey[], message: string): FoundProblem => ({
  code: 'invalid',
  severity: 'error',
  path,
  message,
})

const envelopeProblems = (value: Fields): readonly FoundProblem[] => {
  const missing = ['apiVersion', 'kind'].filter((field) => typeof value[field] !== 'string' || value[field] === '')
  const objects = ['metadata', 'spec'].filter(
    (field) => value[field] !== undefined && value[field] !== null && !isFields(value[field]),
  )
  const unknown = Object.keys(value).filter((field) => !topLevel.includes(field))
  return [
    ...missing.map((field) => invalid([field], 'is required, as a string')),
    ...objects.map((field) => invalid([field], 'must be an object')),
    ...unknown.map((field): FoundProblem => {
      const meant = closestName(field, topLevel)
      return {
        code: 'unknown_field',
        severity: 'error',
        path: [field],
        message:
          meant === undefined
            ? 'is not a field of an object: settings belong into spec'
            : `is not a field: did you mean "${meant}"?`,
      }
    }),
  ]
}

/** What the kind's own check says beyond its schema. */
const semanticProblems = <Spec>(
  definition: KindDefinition<Spec>,
  object: Configured<Spec>,
): readonly FoundProblem[] => {
  const problems: FoundProblem[] = []
  definition.check?.(
    object,
    (path, message, { severity = 'error', code = severity === 'error' ? 'invalid' : 'ineffective' } = {}) =>
      problems.push({ code, severity, path, message }),
  )
  return problems
}

/** Finds all that is wrong with one object that a person wrote. Never throws. */
export const examineObject = (value: unknown, defaults: NameDefaults): Examined => {
  const hostile = findHostileValue(value, maxValues)
  if (hostile) return { problems: [hostile] }
  if (!isFields(value)) {
    return {
      problems: [
        {
          code: 'syntax',
          severity: 'error',
          path: [],
          message: 'must be an object with apiVersion, kind, metadata, spec',
        },
      ],
    }
  }
  const envelope = envelopeProblems(value)
  const apiVersion = textOr(value.apiVersion, '')
  const kind = textOr(value.kind, '')
  const definition = findKind(apiVersion, kind)
  if (!definition) {
    const unknown: FoundProblem = { ...toUnknownKind(kind, apiVersion), severity: 'error', path: ['kind'] }
    return { problems: apiVersion === '' || kind === '' ? envelope : [...envelope, unknown] }
  }
  const rawSpec = isFields(value.spec) ? value.spec : {}
  const { metadata, problems: metadataProblems } = parseMetadata(
    isFields(value.metadata) ? value.metadata : {},
    defaults,
  )
  const spec = definition.schema.safeParse(rawSpec, { reportInput: true })
  const problems = [...envelope, ...metadataProblems, ...(spec.success ? [] : toProblems(spec.error, ['spec']))]
  if (!metadata || !spec.success) return { problems }
  const object: ConfigObject = { apiVersion, kind, metadata, spec: { ...rawSpec } }
  const all = [...problems, ...semanticProblems(definition, { ...object, spec: spec.data })]
  return hasErrors(all) ? { problems: all } : { problems: all, accepted: { object, spec: spec.data } }
}
