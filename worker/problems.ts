import { HTTPException } from 'hono/http-exception'
import type { z } from 'zod'
import { AtollError } from '#api/atoll-error.ts'
import { PROBLEM_MEDIA_TYPE, problemTypes, toProblemDetails } from '#api/problem-details.ts'
import type { ApiProblemCode } from '#api/problem-details.ts'
import type { Problem } from '#mesh/problem.ts'
import packageJson from '../package.json' with { type: 'json' }
import type { AppContext } from './app-env.ts'
import { NEWER_SCHEMA, NOT_CREATED } from './mesh/mesh-store.ts'
import type { Outcome } from './mesh/refusal.ts'

const MAX_PROBLEMS = 100
const RATE_LIMIT_RETRY_SECONDS = 60

/** The value, or the refusal as an error that the routes' error handler answers. */
export const unwrap = <T>(outcome: Outcome<T>): T => {
  if (outcome.ok) return outcome.value
  throw new AtollError(outcome.error.code, outcome.error.detail)
}

/** The thing, or a `not_found`. `what` names it for people. */
export const found = <T>(thing: T | null | undefined, what: string): T => {
  if (thing === null || thing === undefined) throw new AtollError('not_found', `there is no ${what}`)
  return thing
}

const isApiProblemCode = (code: string): code is ApiProblemCode => code in problemTypes

const toAtollError = (error: Error): AtollError => {
  if (error instanceof AtollError) return error
  if (error.message === NOT_CREATED)
    return new AtollError('conflict', 'the mesh is half made or half deleted: make it again, or delete it')
  if (error.message.startsWith(NEWER_SCHEMA))
    return new AtollError(
      'newer_data',
      `${error.message}; this is version ${packageJson.version}, and has changed nothing`,
    )
  if (error instanceof HTTPException && error.status < 500) return new AtollError('invalid_request', error.message)
  return new AtollError('internal', 'the plane failed; its log has the reason under the request id', { cause: error })
}

/** Answers what a handler threw. What is not meant for callers goes to the log, never out. */
export const answerError = (error: Error, c: AppContext): Response => {
  const problem = toAtollError(error)
  const code = isApiProblemCode(problem.code) ? problem.code : 'internal'
  const requestId = c.get('requestId')
  if (code === 'internal' || code === 'newer_data') {
    // eslint-disable-next-line no-console -- the platform's log
    console.error(JSON.stringify({ level: 'error', requestId, path: c.req.path, error: error.stack ?? error.message }))
  }
  const details = toProblemDetails(code, {
    detail: problem.message,
    ...(problem.problems.length > 0 && { problems: problem.problems.slice(0, MAX_PROBLEMS) }),
    requestId,
  })
  return c.body(JSON.stringify(details), problemTypes[code].status, {
    'Content-Type': PROBLEM_MEDIA_TYPE,
    ...(code === 'rate_limited' && { 'Retry-After': String(RATE_LIMIT_RETRY_SECONDS) }),
    ...(code === 'unauthenticated' && { 'WWW-Authenticate': 'Bearer' }),
  })
}

/** What zod found wrong with a request, in the words of our problems. */
export const toRequestProblems = (target: string, error: z.core.$ZodError): Problem[] =>
  error.issues.map((issue) => ({
    code: issue.code === 'unrecognized_keys' ? 'unknown_field' : 'invalid',
    severity: 'error',
    path: [target, ...issue.path].map(String).join('.'),
    message: issue.message,
  }))
