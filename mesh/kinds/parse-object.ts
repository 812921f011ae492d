import type { ConfigObject, Configured } from '../config-object.ts'
import type { Problem } from '../problem.ts'
import { err, ok } from '../result.ts'
import type { Result } from '../result.ts'
import { findHostileValue } from './hostile-values.ts'
import type { KindDefinition } from './kind-definition.ts'
import { findKind, unknownKindMessage } from './kind-table.ts'
import { parseMetadata } from './parse-metadata.ts'
import { closestName } from './schema/closest-name.ts'
import { toPathText, toProblems } from './to-problems.ts'
import type { FoundProblem } from './to-problems.ts'

export interface ParseOptions {
  /** For objects that name no namespace. */
  readonly defaultNamespace: string
  /** Where the object is in the submitted text. */
  readonly source?: {
    readonly document: number
    /** 1-based line of what is at this path, or of the nearest thing around it. */
    line(path: readonly PropertyKey[]): number | undefined
  }
}

export interface ParsedObject {
  /** As it was written, less what Kubernetes adds to it. */
  readonly object: ConfigObject
  /** Its spec as its kind's schema gives it. */
  readonly spec: unknown
  readonly warnings: readonly Problem[]
}

type Fields = Readonly<Record<string, unknown>>

/** Problems of one object that are reported; beyond, something is wrong with the whole. */
const maxProblems = 100
/** Values of one object; none of a real one comes near. */
const maxValues = 2_000_000
const topLevel: readonly string[] = ['apiVersion', 'kind', 'metadata', 'spec', 'status']

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value)
const textOr = (value: unknown, fallback: string): string => (typeof value === 'string' && value !== '' ? value : fallback)

/** Names the object as far as it says what it is. */
const toProblem = (found: FoundProblem, value: unknown, options: ParseOptions): Problem => {
  const metadata = isFields(value) && isFields(value.metadata) ? value.metadata : {}
  const kind = isFields(value) && typeof value.kind === 'string' ? value.kind : undefined
  const line = options.source?.line(found.path)
  return {
    code: found.code,
    severity: found.severity,
    ...(kind !== undefined && {
      object: { kind, namespace: textOr(metadata.namespace, options.defaultNamespace), name: textOr(metadata.name, '') },
    }),
    path: toPathText(found.path),
    message: found.message,
    ...(options.source && { document: options.source.document }),
    ...(line !== undefined && { line }),
  }
}

const invalid = (path: readonly PropertyKey[], message: string): FoundProblem => ({ code: 'invalid', severity: 'error', path, message })

const envelopeProblems = (value: Fields): readonly FoundProblem[] => {
  const missing = ['apiVersion', 'kind'].filter((field) => typeof value[field] !== 'string' || value[field] === '')
  const objects = ['metadata', 'spec'].filter((field) => value[field] !== undefined && value[field] !== null && !isFields(value[field]))
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
        message: meant === undefined ? 'is not a field of an object: settings belong into spec' : `is not a field: did you mean "${meant}"?`,
      }
    }),
  ]
}

/** What the kind's own check says beyond its schema. */
const semanticProblems = <Spec>(definition: KindDefinition<Spec>, object: Configured<Spec>): readonly FoundProblem[] => {
  const problems: FoundProblem[] = []
  definition.check?.(object, (path, message, { code = 'invalid', severity = 'error' } = {}) => problems.push({ code, severity, path, message }))
  return problems
}

const parse = (value: unknown, options: ParseOptions): Result<Omit<ParsedObject, 'warnings'> & { problems: readonly FoundProblem[] }, readonly FoundProblem[]> => {
  const hostile = findHostileValue(value, maxValues)
  if (hostile) return err([hostile])
  if (!isFields(value)) return err([{ code: 'syntax', severity: 'error', path: [], message: 'must be an object with apiVersion, kind, metadata, spec' }])
  const envelope = envelopeProblems(value)
  const apiVersion = textOr(value.apiVersion, '')
  const kind = textOr(value.kind, '')
  const definition = findKind(apiVersion, kind)
  if (!definition) {
    const unknown: FoundProblem = { code: 'unknown_kind', severity: 'error', path: ['kind'], message: unknownKindMessage(apiVersion, kind) }
    return err(apiVersion === '' || kind === '' ? envelope : [...envelope, unknown])
  }
  const rawSpec = isFields(value.spec) ? value.spec : {}
  const metadata = parseMetadata(isFields(value.metadata) ? value.metadata : {}, options.defaultNamespace)
  const spec = definition.schema.safeParse(rawSpec, { reportInput: true })
  const problems = [
    ...envelope,
    ...(metadata.ok ? metadata.value.warnings : metadata.error),
    ...(spec.success ? [] : toProblems(spec.error, ['spec'])),
  ]
  if (!metadata.ok || !spec.success) return err(problems)
  const object: ConfigObject = { apiVersion, kind, metadata: metadata.value.metadata, spec: { ...rawSpec } }
  const all = [...problems, ...semanticProblems(definition, { ...object, spec: spec.data })]
  return all.some((problem) => problem.severity === 'error') ? err(all) : ok({ object, spec: spec.data, problems: all })
}

/** Reads one object that a person wrote. Never throws; reports all that is wrong with it at once (at most 100 problems). */
export const parseObject = (value: unknown, options: ParseOptions): Result<ParsedObject, readonly Problem[]> => {
  const parsed = parse(value, options)
  const found = parsed.ok ? parsed.value.problems : parsed.error
  const problems = found.slice(0, maxProblems).map((problem) => toProblem(problem, value, options))
  return parsed.ok ? ok({ object: parsed.value.object, spec: parsed.value.spec, warnings: problems }) : err(problems)
}

/**
 * An object that was parsed before and stored, with its spec as its kind's schema gives it. Problems when another version of Atoll
 * had accepted what this one refuses.
 */
export const configuredAs = <Spec>(definition: KindDefinition<Spec>, object: ConfigObject): Result<Configured<Spec>, readonly Problem[]> => {
  const spec = definition.schema.safeParse(object.spec, { reportInput: true })
  if (spec.success) return ok({ ...object, spec: spec.data })
  const options = { defaultNamespace: object.metadata.namespace }
  return err(toProblems(spec.error, ['spec']).slice(0, maxProblems).map((problem) => toProblem(problem, object, options)))
}
