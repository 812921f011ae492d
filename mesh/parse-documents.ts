import type { ConfigObject } from './config-object.ts'
import { toObjectKey } from './config-object.ts'
import { readJson } from './documents/read-json.ts'
import { readYaml } from './documents/read-yaml.ts'
import { syntaxProblem } from './documents/submitted-document.ts'
import type { Path, SubmittedDocument } from './documents/submitted-document.ts'
import { examineObject, toProblem } from './kinds/examine-object.ts'
import type { Examined } from './kinds/examine-object.ts'
import type { ParsedObject } from './kinds/parse-object.ts'
import type { FoundProblem } from './kinds/to-problems.ts'
import type { Problem } from './problem.ts'
import { err, ok } from './result.ts'
import type { Result } from './result.ts'

export interface DocumentOptions {
  /** For objects that name no namespace. */
  readonly defaultNamespace: string
  readonly maxCharacters: number
  readonly maxObjects: number
  /** `name` may be left out: for looking at snippets (`atoll analyze`), not for applying. */
  readonly unnamed?: 'allowed'
}

export interface ParsedDocuments {
  readonly objects: readonly Omit<ParsedObject, 'warnings'>[]
  readonly warnings: readonly Problem[]
}

/** Problems that are reported of one text, before a last one that says how many more there are. */
const maxProblems = 99

const tooMany = (count: number): Problem =>
  syntaxProblem(`${count - maxProblems} more problems are not shown`, {}, 'too_large')

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** What should be one object, and where in its document it is. */
interface Item {
  readonly value: unknown
  readonly submitted: SubmittedDocument
  readonly at: Path
}

/** A document is an object, a list of them (JSON's way) or a `kind: List` (kubectl's way). */
const toItems = (submitted: SubmittedDocument): readonly Item[] => {
  const { value } = submitted
  if (Array.isArray(value)) return value.map((each: unknown, index) => ({ value: each, submitted, at: [index] }))
  if (isRecord(value) && value.kind === 'List' && Array.isArray(value.items)) {
    return value.items.map((each: unknown, index) => ({ value: each, submitted, at: ['items', index] }))
  }
  return [{ value, submitted, at: [] }]
}

const read = (text: string, options: DocumentOptions): Result<readonly SubmittedDocument[], readonly Problem[]> => {
  if (text.length > options.maxCharacters) {
    return err([syntaxProblem(`has more than ${options.maxCharacters} characters`, {}, 'too_large')])
  }
  const json = /^\s*[[{]/.test(text) ? readJson(text) : undefined
  if (json) return json.ok ? ok([json.value]) : json
  return readYaml(text, options.maxObjects)
}

interface Finding {
  readonly item: Item
  readonly problem: FoundProblem
}

const keyOf = ({ kind, metadata }: ConfigObject): string => toObjectKey(kind, metadata.namespace, metadata.name)

/** Objects that are there more than once. */
const findDuplicates = (
  results: readonly { readonly item: Item; readonly examined: Examined }[],
): readonly Finding[] => {
  const first = new Map<string, Item>()
  return results.flatMap(({ item, examined }): Finding[] => {
    if (!examined.accepted) return []
    const key = keyOf(examined.accepted.object)
    const earlier = first.get(key)
    if (!earlier) {
      first.set(key, item)
      return []
    }
    const message = `is in document ${earlier.submitted.number} already`
    return [{ item, problem: { code: 'duplicate', severity: 'error', path: [], message } }]
  })
}

/** In the order of the text, the first 99. Lines are looked up for all of one document at once. */
const toProblems = (findings: readonly Finding[], defaultNamespace: string): readonly Problem[] => {
  const shown = findings.slice(0, maxProblems)
  const documents = new Set(shown.map(({ item }) => item.submitted))
  const problems = [...documents].flatMap((submitted) => {
    const here = shown.filter(({ item }) => item.submitted === submitted)
    const lines = submitted.lines(here.map(({ item, problem }) => [...item.at, ...problem.path]))
    return here.map(({ item, problem }, index) => {
      const line = lines[index]
      return toProblem(problem, item.value, defaultNamespace, {
        document: submitted.number,
        ...(line !== undefined && { line }),
      })
    })
  })
  return findings.length > maxProblems ? [...problems, tooMany(findings.length)] : problems
}

/**
 * Reads what a person submits: YAML with any number of documents, a JSON object, a JSON array, a `kind: List`. Never throws; all
 * problems of all objects are reported at once, each with its document and line. One error, and nothing of the text counts.
 */
export const parseDocuments = (text: string, options: DocumentOptions): Result<ParsedDocuments, readonly Problem[]> => {
  const documents = read(text, options)
  if (!documents.ok) {
    const { error } = documents
    return err(error.length > maxProblems ? [...error.slice(0, maxProblems), tooMany(error.length)] : error)
  }
  const items = documents.value.flatMap(toItems)
  if (items.length > options.maxObjects) {
    return err([syntaxProblem(`has ${items.length} objects, more than ${options.maxObjects}`, {}, 'too_large')])
  }
  const results = items.map((item, index) => ({
    item,
    examined: examineObject(item.value, {
      defaultNamespace: options.defaultNamespace,
      ...(options.unnamed && { defaultName: `unnamed-${index + 1}` }),
    }),
  }))
  const findings = [
    ...results.flatMap(({ item, examined }) => examined.problems.map((problem) => ({ item, problem }))),
    ...findDuplicates(results),
  ]
  const problems = toProblems(findings, options.defaultNamespace)
  return findings.some(({ problem }) => problem.severity === 'error')
    ? err(problems)
    : ok({ objects: results.flatMap(({ examined }) => examined.accepted ?? []), warnings: problems })
}
