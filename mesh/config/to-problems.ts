import type { z } from 'zod'
import type { Problem, ProblemCode } from '../problem.ts'
import { closestName } from './schema/closest-name.ts'
import { issueParams } from './schema/message.ts'

type Path = readonly PropertyKey[]

const identifier = /^[A-Za-z_][A-Za-z0-9_]*$/

/** ['spec', 'http', 0, 'headers', 'x-a'] → `spec.http[0].headers["x-a"]` */
export const toPathText = (path: Path): string =>
  path
    .map((part, index) => {
      if (typeof part === 'number') return `[${part}]`
      const name = String(part)
      if (!identifier.test(name)) return `[${JSON.stringify(name)}]`
      return index === 0 ? name : `.${name}`
    })
    .join('')

const pathPart = /\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]|([A-Za-z_][A-Za-z0-9_]*)/g

/** The path that `toPathText` made this text of. */
export const parsePathText = (text: string): Path =>
  [...text.matchAll(pathPart)].map(([, index, quoted, name = '']) => {
    if (index !== undefined) return Number(index)
    return quoted === undefined ? name : String(JSON.parse(quoted))
  })

const typeName = (value: unknown): string => {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'an object'
  return typeof value === 'boolean' ? 'true or false' : `a ${typeof value}`
}

const expectedNames: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
}

const typeFault = (expected: string, input: unknown): string => {
  if (input === undefined) return 'is required'
  const quoted =
    expected === 'string' && (typeof input === 'number' || typeof input === 'boolean') ? ': put it in quotes' : ''
  return `must be ${expectedNames[expected] ?? expected}, not ${typeName(input)}${quoted}`
}

const boundFault = (word: 'least' | 'most', bound: number | bigint, origin: string): string => {
  if (origin === 'string') return `must have at ${word} ${bound} characters`
  if (origin === 'array') return `must have at ${word} ${bound} entries`
  return `must be at ${word} ${bound}`
}

/** A check's own message, or zod's in the words of the other ones. */
const toMessage = (issue: z.core.$ZodIssue): string => {
  if (!issue.message.startsWith('Invalid') && !issue.message.startsWith('Too ')) return issue.message
  if (issue.code === 'invalid_type') return typeFault(issue.expected, issue.input)
  if (issue.code === 'too_small') return boundFault('least', issue.minimum, issue.origin)
  if (issue.code === 'too_big') return boundFault('most', issue.maximum, issue.origin)
  return issue.message
}

const suggestion = (name: unknown, { known = [], meant: others = {} }: ReturnType<typeof issueParams>): string => {
  if (typeof name !== 'string') return ''
  const meant = Object.hasOwn(others, name) ? others[name] : closestName(name, known)
  return meant === undefined ? '' : `: did you mean "${meant}"?`
}

export interface FoundProblem {
  readonly code: ProblemCode
  readonly severity: Problem['severity']
  readonly path: Path
  readonly message: string
}

/** More of one object are not shown: looking for the names that were meant is the costly part. */
const maxSuggestions = 100

/** `root` is where the parsed value lies in its object. */
export const toProblems = (error: z.ZodError, root: Path): readonly FoundProblem[] =>
  error.issues.map((issue, index) => {
    const params = issueParams(issue)
    const code = params.problem ?? 'invalid'
    const name = code === 'unknown_field' ? issue.path.at(-1) : issue.input
    const meant = index < maxSuggestions ? suggestion(name, params) : ''
    return { code, severity: 'error', path: [...root, ...issue.path], message: `${toMessage(issue)}${meant}` }
  })
