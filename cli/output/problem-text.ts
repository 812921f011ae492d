import type { Problem } from '#mesh/problem.ts'
import type { Paint } from './colour.ts'

/** Finds the file and line of a place in the submitted text. */
export type FindPlace = (line: number) => string | undefined

/** One line for a problem: where, which object, which field, what to do. */
export const toProblemText = (problem: Problem, paint: Paint, findPlace: FindPlace = () => undefined): string => {
  const { severity, object, path, message, line, code } = problem
  const place = line === undefined ? undefined : findPlace(line)
  const name = object === undefined ? undefined : `${object.kind} ${object.namespace}/${object.name}`
  const where = [place, name, path].filter((part) => part !== undefined && part !== '').join(' ')
  const label = severity === 'error' ? paint('red', 'error') : paint('yellow', 'warning')
  return `${label} (${code})${where === '' ? '' : ` ${where}`}: ${message}`
}
