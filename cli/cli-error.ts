import type { ExitReason } from './exit-code.ts'
import type { PlacedProblem } from './output/problem-text.ts'

/** Ends the command: what is wrong and, where there is something to do about it, the remedy. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly reason: ExitReason
  readonly remedy: string | undefined
  /** The single mistakes in a configuration. */
  readonly problems: readonly PlacedProblem[]
  /** It is what the command was to find out, and no error. */
  readonly isResult: boolean

  constructor(
    reason: ExitReason,
    message: string,
    options: {
      readonly remedy?: string
      readonly problems?: readonly PlacedProblem[]
      readonly isResult?: true
      readonly cause?: unknown
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.reason = reason
    this.remedy = options.remedy
    this.problems = options.problems ?? []
    this.isResult = options.isResult ?? false
  }
}
