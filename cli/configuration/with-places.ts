import { AtollError } from '#api/atoll-error.ts'
import { CliError } from '../cli-error.ts'
import { exitReasonOf } from '../exit-code.ts'
import type { ConfigurationText } from './configuration-files.ts'
import { placeProblems } from './place-problems.ts'

/** Tells the problems for which the plane refuses a request by the files and lines that they are in. */
export const withPlaces = async <T>(
  configuration: ConfigurationText,
  namespace: string | undefined,
  request: Promise<T>,
): Promise<T> => {
  try {
    return await request
  } catch (error) {
    if (!(error instanceof AtollError) || error.problems.length === 0) throw error
    const problems = await placeProblems(error.problems, configuration, namespace)
    throw new CliError(exitReasonOf[error.code], error.message, { problems, cause: error })
  }
}
