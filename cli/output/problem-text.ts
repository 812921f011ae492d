import type { ShownProblem } from '#api/schemas/shown-problem.ts'
import type { Paint } from './colour.ts'

/** A problem and where in a person's files it is: "file:line". */
export interface PlacedProblem extends ShownProblem {
  readonly place?: string
}

const MAX_SHOWN = 10

/** One line for a problem: where, which object, which field, what to do. */
const toProblemText = (problem: PlacedProblem, paint: Paint): string => {
  const { severity, object, path, message, place, code } = problem
  const where = [place, object && toObjectText(object), path]
    .filter((part) => part !== undefined && part !== '')
    .join(' ')
  const label = paint(severity === 'error' ? 'red' : 'yellow', severity)
  return `${label} (${code})${where === '' ? '' : ` ${where}`}: ${message}`
}

/** "VirtualService shop/reviews" */
export const toObjectText = ({ kind, namespace, name }: NonNullable<ShownProblem['object']>): string =>
  `${kind} ${namespace === '' ? '' : `${namespace}/`}${name === '' ? '(no name)' : name}`

/** The first problems, a line each, and how many more there are. */
export const toProblemLines = (
  problems: readonly PlacedProblem[],
  paint: Paint,
  maxShown: number = MAX_SHOWN,
): string[] => {
  const lines = problems.slice(0, maxShown).map((problem) => toProblemText(problem, paint))
  const more = problems.length - maxShown
  return more > 0 ? [...lines, `and ${more} more; -o json shows all`] : lines
}
