import type { ShownProblem } from './schemas/shown-problem.ts'
import type { ApiProblemCode } from './problem-details.ts'

/** `unreachable`: no answer at all. `bad_answer`: an answer that is not Atoll's. */
export type AtollErrorCode = ApiProblemCode | 'unreachable' | 'bad_answer'

export interface AtollErrorFacts {
  /** The HTTP status; absent when there was no answer. */
  readonly status?: number | undefined
  readonly problems?: readonly ShownProblem[] | undefined
  readonly requestId?: string | undefined
  /** Which limit: of `rate_limited`, with when to try again; of `limit_reached`, which quota. */
  readonly limit?: { readonly name: string; readonly retryAfterSeconds?: number } | undefined
  readonly cause?: unknown
}

/** The plane refused, or could not be asked. The message is for people, the code for programs. */
export class AtollError extends Error {
  override readonly name = 'AtollError'
  readonly code: AtollErrorCode
  readonly status: number | undefined
  readonly problems: readonly ShownProblem[]
  readonly requestId: string | undefined
  readonly limit: AtollErrorFacts['limit']

  constructor(code: AtollErrorCode, message: string, facts: AtollErrorFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause })
    this.code = code
    this.status = facts.status
    this.problems = facts.problems ?? []
    this.requestId = facts.requestId
    this.limit = facts.limit
  }
}
