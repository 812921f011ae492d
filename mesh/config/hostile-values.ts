import type { FoundProblem } from './to-problems.ts'

const maxDepth = 64

/** Half a surrogate pair is no text: it can't be written in UTF-8. */
const textFault = (text: string): string | undefined => {
  if (text.includes('\u0000')) return 'holds a NUL character'
  return text.isWellFormed() ? undefined : 'holds half a character (a lone surrogate)'
}

/**
 * What must not get further than the door: names that reach into JavaScript's prototypes, text that can't be stored, nesting
 * without end, and values that stand for many times their text (aliases), which use up `budget` values. Stops at the first.
 */
export const findHostileValue = (value: unknown, budget: number): FoundProblem | undefined => {
  let visited = 0
  const problem = (path: readonly PropertyKey[], code: FoundProblem['code'], message: string): FoundProblem => ({
    code,
    severity: 'error',
    path,
    message,
  })

  const visit = (at: unknown, path: readonly PropertyKey[]): FoundProblem | undefined => {
    visited += 1
    if (visited > budget) return problem([], 'too_large', 'stands for more values than its text has characters')
    if (path.length > maxDepth) return problem(path.slice(0, 3), 'too_large', `is nested more than ${maxDepth} deep`)
    if (typeof at === 'string') {
      const fault = textFault(at)
      return fault === undefined ? undefined : problem(path, 'invalid', fault)
    }
    if (typeof at !== 'object' || at === null) return undefined
    for (const [key, field] of Object.entries(at)) {
      if (key === '__proto__') return problem(path, 'invalid', 'holds the name __proto__')
      const fault = textFault(key)
      if (fault !== undefined) return problem(path, 'invalid', `a name in it ${fault}`)
      const found = visit(field, [...path, Array.isArray(at) ? Number(key) : key])
      if (found) return found
    }
    return undefined
  }
  return visit(value, [])
}
