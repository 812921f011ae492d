import { objectKeyOf } from './config-object.ts'
import { readItems } from './documents/read-items.ts'
import type { SubmittedItem, TextLimits } from './documents/read-items.ts'
import { syntaxProblem } from './documents/submitted-document.ts'
import { examineObject, toProblem } from './config/examine-object.ts'
import type { Examined } from './config/examine-object.ts'
import { isConfiguration } from './config/kind-table.ts'
import type { ParsedObject } from './config/parse-object.ts'
import type { FoundProblem } from './config/to-problems.ts'
import { hasErrors, type Problem } from './problem.ts'
import { err, ok } from './result.ts'
import type { Result } from './result.ts'

export interface DocumentOptions extends TextLimits {
  /** For objects that name no namespace. */
  readonly defaultNamespace: string
  /** `name` may be left out: for looking at snippets (`atoll analyze`), not for applying. */
  readonly unnamed?: 'allowed'
  /** What is done with objects that are no configuration of a mesh, such as Deployments; absent = they are of an unknown kind. */
  readonly others?: 'skip'
  /** Problems that are told, before a last one that says how many more there are; absent = 99. */
  readonly maxProblems?: number
  /** What a person calls a line of the text. Absent = places are told by their documents. */
  readonly toPlace?: (line: number) => string | undefined
}

export interface ParsedDocuments {
  readonly objects: readonly Omit<ParsedObject, 'warnings'>[]
  readonly warnings: readonly Problem[]
}

/** Of an answer's, where the reader of a text does not say otherwise. */
const maxProblemsOfAnswer = 99

const tooMany = (count: number): Problem => syntaxProblem(`${count} more problems are not shown`, {}, 'too_large')

interface Finding {
  readonly item: SubmittedItem
  readonly problem: FoundProblem
}

/** Objects that are there more than once. */
const findDuplicates = (
  results: readonly { readonly item: SubmittedItem; readonly examined: Examined }[],
  toPlace: DocumentOptions['toPlace'],
): readonly Finding[] => {
  const first = new Map<string, SubmittedItem>()
  return results.flatMap(({ item, examined }): Finding[] => {
    if (!examined.accepted) return []
    const key = objectKeyOf(examined.accepted.object)
    const earlier = first.get(key)
    if (!earlier) {
      first.set(key, item)
      return []
    }
    const [line] = toPlace ? earlier.submitted.lines([earlier.at]) : []
    const place = line === undefined ? undefined : toPlace?.(line)
    const message = `is in ${place ?? `document ${earlier.submitted.number}`} already`
    return [{ item, problem: { code: 'duplicate', severity: 'error', path: [], message } }]
  })
}

/** The first, in the order of the text. Lines are looked up for all of one document at once. */
const toProblems = (
  findings: readonly Finding[],
  { defaultNamespace, maxProblems = maxProblemsOfAnswer }: DocumentOptions,
): readonly Problem[] => {
  const byDocument = Map.groupBy(findings.slice(0, maxProblems), ({ item }) => item.submitted)
  const problems = [...byDocument].flatMap(([submitted, here]) => {
    const lines = submitted.lines(here.map(({ item, problem }) => [...item.at, ...problem.path]))
    return here.map(({ item, problem }, index) => {
      const line = lines[index]
      return toProblem(problem, item.value, defaultNamespace, {
        document: submitted.number,
        ...(line !== undefined && { line }),
      })
    })
  })
  return findings.length > maxProblems ? [...problems, tooMany(findings.length - maxProblems)] : problems
}

export interface ExaminedDocuments {
  /** Those that are right. */
  readonly objects: readonly Omit<ParsedObject, 'warnings'>[]
  readonly problems: readonly Problem[]
  /** How many objects were looked at, right or wrong. */
  readonly count: number
  /** What is no configuration of a mesh, as it is written: Deployments, ConfigMaps … Empty unless `others` says to skip them. */
  readonly others: readonly unknown[]
}

/**
 * Reads what a person submits: YAML with any number of documents, a JSON object, a JSON array, a `kind: List`. Never throws; the
 * problems of all objects are told at once, each with its document and line.
 */
export const examineDocuments = (text: string, options: DocumentOptions): ExaminedDocuments => {
  const items = readItems(text, options)
  if (!items.ok) {
    const { error } = items
    const { maxProblems = maxProblemsOfAnswer } = options
    const more = error.length - maxProblems
    const problems = more > 0 ? [...error.slice(0, maxProblems), tooMany(more)] : error
    return { objects: [], problems, count: 0, others: [] }
  }
  const isSkipped = ({ value }: SubmittedItem): boolean => options.others === 'skip' && !isConfiguration(value)
  const results = items.value.flatMap((item, index) =>
    isSkipped(item)
      ? []
      : {
          item,
          examined: examineObject(item.value, {
            defaultNamespace: options.defaultNamespace,
            ...(options.unnamed && { defaultName: `unnamed-${index + 1}` }),
          }),
        },
  )
  const findings = [
    ...results.flatMap(({ item, examined }) => examined.problems.map((problem) => ({ item, problem }))),
    ...findDuplicates(results, options.toPlace),
  ]
  return {
    objects: [
      ...new Map(
        results.flatMap(({ examined: { accepted } }) => (accepted ? [[objectKeyOf(accepted.object), accepted]] : [])),
      ).values(),
    ],
    problems: toProblems(findings, options),
    count: results.length,
    others: items.value.filter(isSkipped).map(({ value }) => value),
  }
}

/** The same where one error is enough, and nothing of the text counts. */
export const parseDocuments = (text: string, options: DocumentOptions): Result<ParsedDocuments, readonly Problem[]> => {
  const { objects, problems } = examineDocuments(text, options)
  return hasErrors(problems) ? err(problems) : ok({ objects, warnings: problems })
}
