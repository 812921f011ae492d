import { z } from 'zod'
import { shownProblem } from './schemas/shown-problem.ts'

/**
 * What the API answers when it refuses (RFC 9457, `application/problem+json`). `code` is stable: scripts match on it; it always
 * comes with the status given here. `title` says what the code means, `detail` what happened this time.
 */
export const problemTypes = {
  invalid_request: { status: 400, title: 'The request is not what the contract says' },
  unauthenticated: { status: 401, title: 'There is no valid token in the request' },
  join_refused: { status: 401, title: 'The join token is unknown, used, expired or of another mesh' },
  sign_in_refused: { status: 401, title: 'The sign-in is not one that the plane takes' },
  setup_refused: { status: 401, title: 'The set-up token is wrong' },
  forbidden: { status: 403, title: 'The token may not do this' },
  cross_site_request: { status: 403, title: 'A session of a browser is for requests of the plane’s own pages' },
  not_found: { status: 404, title: 'There is no such thing, or the token may not see it' },
  already_exists: { status: 409, title: 'The name is taken' },
  already_set_up: { status: 409, title: 'The plane has been set up before' },
  conflict: { status: 409, title: 'The thing is not in a state that allows this' },
  idempotency_conflict: {
    status: 409,
    title: 'The Idempotency-Key was used for another request, or that request is still running',
  },
  revision_mismatch: { status: 412, title: 'The configuration has moved on from the revision in If-Match' },
  too_large: { status: 413, title: 'The request is larger than the limit' },
  unsupported_media_type: { status: 415, title: 'The body is of a media type that this route does not take' },
  invalid_configuration: { status: 422, title: 'The configuration has errors; nothing was applied' },
  csr_refused: { status: 422, title: 'The certificate request asks for what a cluster may not have' },
  root_refused: { status: 422, title: 'The certificates can not be the root of the mesh' },
  limit_reached: { status: 422, title: 'The mesh or org has as many of these as it may have' },
  rate_limited: { status: 429, title: 'Too many requests' },
  internal: { status: 500, title: 'Something went wrong in the plane' },
  unavailable: { status: 503, title: 'The plane cannot answer now' },
  newer_data: { status: 503, title: 'A newer version of the plane has written the data: that version has to serve it' },
  agent_unavailable: { status: 503, title: 'The cluster has no connected agent to ask' },
  agent_timeout: { status: 504, title: 'The agent of the cluster did not answer in time' },
} as const
export type ApiProblemCode = keyof typeof problemTypes

export const apiProblemCode = z.enum(Object.keys(problemTypes) as [ApiProblemCode, ...ApiProblemCode[]])

export const PROBLEM_MEDIA_TYPE = 'application/problem+json'

export const problemDetails = z
  .object({
    type: z.string().describe('`urn:atoll:problem:<code>`.'),
    title: z.string(),
    status: z.int(),
    detail: z.string().optional().describe('What happened this time and what to do.'),
    code: apiProblemCode.describe('Stable; what scripts match on.'),
    problems: z
      .array(shownProblem)
      .optional()
      .describe('The single mistakes: in the configuration, or in the fields of the request. At most 100.'),
    limit: z
      .string()
      .optional()
      .describe(
        'Of `rate_limited`, which limit: `token`, `org`, `address`, `failed-attempts`, `idempotency-keys`, `join-token`. Of `limit_reached`, which quota: `meshes`, `tokens`, `members`, `clusters`.',
      ),
    requestId: z.string().describe("Names this request in the plane's log."),
  })
  .meta({ id: 'ProblemDetails' })
export type ProblemDetails = z.infer<typeof problemDetails>

/** The fields of a problem document that follow from its code. */
export const toProblemDetails = (
  code: ApiProblemCode,
  occurrence: Pick<ProblemDetails, 'detail' | 'problems' | 'limit' | 'requestId'>,
): ProblemDetails => ({ type: `urn:atoll:problem:${code}`, ...problemTypes[code], code, ...occurrence })
