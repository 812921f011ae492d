import type { AtollErrorFacts } from '#api/atoll-error.ts'
import type { ApiProblemCode } from '#api/problem-details.ts'
import { err } from '#mesh/result.ts'
import type { Result } from '#mesh/result.ts'

/** Why the object did not do what it was asked. Errors lose their class between Worker and object; values do not. */
export interface Refusal {
  readonly code: ApiProblemCode
  readonly detail: string
  /** Which limit; of `rate_limited`, when to try again. */
  readonly limit?: AtollErrorFacts['limit']
}

export type Outcome<T> = Result<T, Refusal>

export const refuse = (code: ApiProblemCode, detail: string, limit?: Refusal['limit']): Outcome<never> =>
  err({ code, detail, ...(limit && { limit }) })
