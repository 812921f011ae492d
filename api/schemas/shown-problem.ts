import { problem } from '#mesh/problem.ts'
import type { z } from 'zod'
import { openEnum } from '../open-enum.ts'

/** A mistake in an object, as answers tell of it. */
export const shownProblem = problem.extend({
  code: openEnum(problem.shape.code.options),
  severity: openEnum(problem.shape.severity.options),
})
export type ShownProblem = z.infer<typeof shownProblem>
