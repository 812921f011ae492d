import type { ShownProblem } from '#api/schemas/shown-problem.ts'
import { AtollError } from '#api/atoll-error.ts'
import { CliError } from '../cli-error.ts'
import { exitReasonOf } from '../exit-code.ts'
import type { PlacedProblem } from '../output/problem-text.ts'

/** Tells the problems for which the plane refuses a request by the files and lines that they are in. */
export const withPlaces = async <T>(
  request: Promise<T>,
  place: (problems: readonly ShownProblem[]) => readonly PlacedProblem[] | Promise<readonly PlacedProblem[]>,
): Promise<T> => {
  try {
    return await request
  } catch (error) {
    if (!(error instanceof AtollError) || error.problems.length === 0) throw error
    throw new CliError(exitReasonOf[error.code], error.message, { problems: await place(error.problems), cause: error })
  }
}
