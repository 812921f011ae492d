import type { z } from 'zod'
import { PROBLEM_MEDIA_TYPE, problemDetails, problemTypes } from '../problem-details.ts'
import type { ApiProblemCode } from '../problem-details.ts'

/** What people and machines of an org authenticate with: `Authorization: Bearer atoll_token_…`, or the cookie of a sign-in. */
export const bearer = [{ bearer: [] }, { session: [] }]

const problemBody = { [PROBLEM_MEDIA_TYPE]: { schema: problemDetails } }

type ProblemResponse = {
  description: string
  content: { 'application/problem+json': { schema: typeof problemDetails } }
}
type ProblemStatus<Code extends ApiProblemCode> = (typeof problemTypes)[Code]['status']

/** Any request may end in one of these. */
const everywhere = ['invalid_request', 'rate_limited', 'internal', 'unavailable', 'newer_data'] as const
const whereTokensAre = ['unauthenticated', 'forbidden', 'cross_site_request'] as const

const toResponses = <Code extends ApiProblemCode>(codes: readonly Code[]) => {
  const byStatus = new Map<number, Code[]>()
  for (const code of codes) {
    const { status } = problemTypes[code]
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  const entries = [...byStatus].map(([status, alike]) => [
    status,
    { description: alike.map((code) => `\`${code}\`: ${problemTypes[code].title}.`).join(' '), content: problemBody },
  ])
  return Object.fromEntries(entries) as Record<ProblemStatus<Code>, ProblemResponse>
}

/** The refusals of a route that needs no token. */
export const openProblems = <Code extends ApiProblemCode = never>(...codes: Code[]) =>
  toResponses([...everywhere, ...codes])

/** The refusals of a route that needs a token. */
export const problems = <Code extends ApiProblemCode = never>(...codes: Code[]) =>
  toResponses([...everywhere, ...whereTokensAre, ...codes])

export const jsonResponse = <Schema extends z.ZodType>(description: string, schema: Schema) => ({
  description,
  content: { 'application/json': { schema } },
})

export const jsonBody = <Schema extends z.ZodType>(schema: Schema) => ({
  required: true,
  content: { 'application/json': { schema } },
})

export const noContent = (description: string) => ({ description })
