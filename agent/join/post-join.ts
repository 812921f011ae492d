import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { z } from 'zod'
import { AgentError } from '#agent/agent-error.ts'
import type { PlaneConnection } from '#agent/plane-connection.ts'
import { joinResponse, type JoinRequest, type JoinResponse } from '#mesh/join.ts'
import { parseJson } from '#mesh/parse-json.ts'

const timeoutMilliseconds = 30_000
const maxAnswerBytes = 1024 * 1024

const problemDetails = z.object({ code: z.string(), detail: z.string().optional(), title: z.string().optional() })

/**
 * Sends a join request. Throws AgentError: `join_refused` when the plane said no, `unreachable` when trying again may help,
 * `bad_join_answer` for an answer that is none.
 */
export const postJoin = async (connection: PlaneConnection, join: JoinRequest): Promise<JoinResponse> => {
  const { status, body } = await post(connection, '/v1/join', JSON.stringify(join))
  if (status >= 500 || status === 429) throw new AgentError('unreachable', `the plane answered with ${status}`)
  const content = parseJson(body)
  if (status < 200 || status > 299) {
    const problem = problemDetails.safeParse(content).data
    throw new AgentError(
      'join_refused',
      problem ? `${problem.code}: ${problem.detail ?? problem.title ?? ''}` : `the plane answered with ${status}`,
    )
  }
  const parsed = joinResponse.safeParse(content)
  if (!parsed.success)
    throw new AgentError('bad_join_answer', `${connection.url} answered something that is no answer to a join`)
  return parsed.data
}

const post = (
  { url, ca, agent }: PlaneConnection,
  path: string,
  body: string,
): Promise<{ status: number; body: string }> =>
  new Promise((resolve, reject) => {
    const fail = (error: Error): void =>
      reject(new AgentError('unreachable', `the plane ${url} can't be reached: ${error.message}`, { cause: error }))
    const send = url.startsWith('https:') ? httpsRequest : httpRequest
    const request = send(
      `${url}${path}`,
      {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
        signal: AbortSignal.timeout(timeoutMilliseconds),
        ...(ca === undefined ? {} : { ca }),
        ...(agent === undefined ? {} : { agent }),
      },
      (response) => {
        const chunks: Buffer[] = []
        let length = 0
        response.on('data', (chunk: Buffer) => {
          length += chunk.length
          if (length > maxAnswerBytes) response.destroy(new Error('the answer is too long'))
          else chunks.push(chunk)
        })
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }),
        )
        response.on('error', fail)
      },
    )
    request.on('error', fail)
    request.end(body)
  })
