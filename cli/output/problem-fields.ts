import { problemClasses, type Problem } from '#mesh/problem.ts'
import type { PlacedProblem } from './problem-text.ts'

/** The form of a problem that scripts read: docs/problems.md. */
export const toProblemFields = ({ severity, code, object, path, message, place }: PlacedProblem) => ({
  severity,
  code,
  class: Object.hasOwn(problemClasses, code) ? problemClasses[code as Problem['code']] : 'semantic',
  object: object ?? null,
  path,
  text: message,
  ...(place !== undefined && { place }),
})
