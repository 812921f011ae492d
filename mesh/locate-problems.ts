import { toObjectKey } from './config-object.ts'
import { readItems } from './documents/read-items.ts'
import type { SubmittedItem } from './documents/read-items.ts'
import { toObjectName } from './config/examine-object.ts'
import { parsePathText } from './config/to-problems.ts'
import type { DocumentOptions } from './parse-documents.ts'
import type { Problem } from './problem.ts'

type LocatedProblem = Pick<Problem, 'object' | 'path' | 'document' | 'line'>

const keyOf = (object: Problem['object']): string =>
  object === undefined ? '' : toObjectKey(object.kind, object.namespace, object.name)

/**
 * The problems with their places in a text that defines the objects. What is wrong between objects is found without the text: it
 * names object and path only.
 */
export const locateProblems = <Found extends LocatedProblem>(
  problems: readonly Found[],
  text: string,
  options: DocumentOptions,
): readonly Found[] => {
  const isWithoutPlace = ({ object, line }: Found): boolean => object !== undefined && line === undefined
  if (!problems.some(isWithoutPlace)) return problems
  const items = readItems(text, options)
  if (!items.ok) return problems
  const byKey = new Map(items.value.map((item) => [keyOf(toObjectName(item.value, options.defaultNamespace)), item]))
  const missing = problems.filter(isWithoutPlace).flatMap((problem) => {
    const item = byKey.get(keyOf(problem.object))
    return item ? [{ problem, item }] : []
  })
  // A document looks up all of its lines at once.
  const lines = new Map(
    [...Map.groupBy(missing, ({ item }) => item.submitted)].flatMap(([submitted, here]) => {
      const found = submitted.lines(here.map(({ problem, item }) => toPath(problem, item)))
      return here.map(({ problem }, index) => [problem, { document: submitted.number, line: found[index] }] as const)
    }),
  )
  return problems.map((problem) => {
    const { document, line } = lines.get(problem) ?? {}
    return document === undefined || line === undefined ? problem : { ...problem, document, line }
  })
}

const toPath = ({ path }: LocatedProblem, { at }: SubmittedItem) => [...at, ...parsePathText(path)]
