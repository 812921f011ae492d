import { AtollError } from '#api/atoll-error.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { exitReasonOf } from '../exit-code.ts'
import { createPaint } from '../output/colour.ts'
import { toProblemText } from '../output/problem-text.ts'
import type { FindPlace } from '../output/problem-text.ts'

/** Tells the problems that the plane found by the files and lines that they are in. */
export const withPlaces = async <T>(context: CliContext, findPlace: FindPlace, request: Promise<T>): Promise<T> => {
  try {
    return await request
  } catch (error) {
    if (!(error instanceof AtollError) || error.problems.length === 0) throw error
    const paint = createPaint(context.io.stderr, context.io.env)
    const lines = error.problems.map((problem) => `  ${toProblemText(problem, paint, findPlace)}`)
    throw new CliError(exitReasonOf[error.code], [error.message, ...lines].join('\n'), { cause: error })
  }
}
