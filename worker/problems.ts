import { HTTPException } from 'hono/http-exception'
import type { z } from 'zod'
import { AtollError } from '#api/atoll-error.ts'
import { PROBLEM_MEDIA_TYPE, problemTypes, toProblemDetails } from '#api/problem-details.ts'
import type { ApiProblemCode } from '#api/problem-details.ts'
import type { Problem } from '#mesh/problem.ts'
import packageJson from '../package.json' with { type: 'json' }
import type { AppContext } from './app-env.ts'
import { KMS_FAILED } from './ca/kms/kms-signer.ts'
import { KMS_SECRET } from './ca/kms/kms.ts'
import { KEK_SECRET } from './ca/sealed-key.ts'
import { NEWER_SCHEMA, NOT_CREATED } from './mesh/mesh-store.ts'
import type { Outcome } from './mesh/refusal.ts'
import { answerProblemPage, isForPeople } from './pages/problem-page.ts'

const MAX_PROBLEMS = 100
const RATE_LIMIT_RETRY_SECONDS = 60

/** The value, or the refusal as an error that the routes' error handler answers. */
export const unwrap = <T>(outcome: Outcome<T>): T => {
  if (outcome.ok) return outcome.value
  const { code, detail, limit } = outcome.error
  throw new AtollError(code, detail, { limit })
}

/** The thing, or a `not_found`. `what` names it for people. */
export const found = <T>(thing: T | null | undefined, what: string): T => {
  if (thing === null || thing === undefined) throw new AtollError('not_found', `there is no ${what}`)
  return thing
}

const isApiProblemCode = (code: string): code is ApiProblemCode => code in problemTypes

const KMS_DETAIL =
  'the KMS that keeps the key of the root did not do what it was asked for: try again later; for the operator, the plane’s log has the reason under the request id'

const isOfKms = ({ message }: Error): boolean => message.startsWith(KMS_FAILED) || message.includes(KMS_SECRET)

const toAtollError = (error: Error): AtollError => {
  if (error instanceof AtollError) return error
  if (error.message === NOT_CREATED)
    return new AtollError('conflict', 'the mesh is half made or half deleted: make it again, or delete it')
  if (error.message.startsWith(NEWER_SCHEMA))
    return new AtollError(
      'newer_data',
      `${error.message}; this is version ${packageJson.version}, and has changed nothing`,
    )
  // What it says names keys and accounts of the operator's.
  if (isOfKms(error)) return new AtollError('unavailable', KMS_DETAIL, { cause: error })
  // Nothing was changed, and nothing in it is secret.
  if (error.message.includes(KEK_SECRET)) return new AtollError('unavailable', error.message, { cause: error })
  if (error instanceof HTTPException && error.status < 500) return new AtollError('invalid_request', error.message)
  return new AtollError('internal', 'the plane failed; its log has the reason under the request id', { cause: error })
}

/** What a handler threw, for the caller. What is not meant for callers goes to the log, never out. */
export const judgeError = (
  error: Error,
  c: AppContext,
): { readonly code: ApiProblemCode; readonly problem: AtollError } => {
  const problem = toAtollError(error)
  const code = isApiProblemCode(problem.code) ? problem.code : 'internal'
  const requestId = c.get('requestId')
  if (code === 'internal' || code === 'newer_data' || isOfKms(error)) {
    // eslint-disable-next-line no-console -- the platform's log
    console.error(JSON.stringify({ level: 'error', requestId, path: c.req.path, error: error.stack ?? error.message }))
  }
  return { code, problem }
}

/** RFC 9110 §10.2.3, and draft-ietf-httpapi-ratelimit-headers: nothing is left of that limit for so long. */
const toLimitHeaders = ({ limit }: AtollError): Record<string, string> => {
  const seconds = limit?.retryAfterSeconds ?? RATE_LIMIT_RETRY_SECONDS
  return { 'Retry-After': String(seconds), ...(limit && { RateLimit: `"${limit.name}";r=0;t=${seconds}` }) }
}

/** Answers what a handler threw. */
export const answerError = (error: Error, c: AppContext): Response | Promise<Response> => {
  const { code, problem } = judgeError(error, c)
  const details = toProblemDetails(code, {
    detail: problem.message,
    ...(problem.problems.length > 0 && { problems: problem.problems.slice(0, MAX_PROBLEMS) }),
    ...(problem.limit && { limit: problem.limit.name }),
    requestId: c.get('requestId'),
  })
  const headers = {
    ...(code === 'rate_limited' && toLimitHeaders(problem)),
    ...(code === 'unauthenticated' && { 'WWW-Authenticate': 'Bearer' }),
  }
  for (const [name, value] of Object.entries(headers)) c.header(name, value)
  const { status } = problemTypes[code]
  if (isForPeople(c)) return answerProblemPage(c, details, status)
  return c.body(JSON.stringify(details), status, { 'Content-Type': PROBLEM_MEDIA_TYPE })
}

/** What zod found wrong with a request, in the words of our problems. */
export const toRequestProblems = (target: string, error: z.core.$ZodError): Problem[] =>
  error.issues.map((issue) => ({
    code: issue.code === 'unrecognized_keys' ? 'unknown_field' : 'invalid',
    severity: 'error',
    path: [target, ...issue.path].map(String).join('.'),
    message: issue.message,
  }))
