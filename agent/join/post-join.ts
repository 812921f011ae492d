import { z } from 'zod'
import { AgentError } from '#agent/agent-error.ts'
import type { PlaneConnection } from '#agent/plane-connection.ts'
import { post, type Answer } from '#agent/post.ts'
import { toErrorMessage } from '#mesh/error-message.ts'
import { joinResponse, type JoinRequest, type JoinResponse } from '#mesh/join.ts'
import { parseJson } from '#mesh/parse-json.ts'

const maxAnswerBytes = 1024 * 1024

const problemDetails = z.object({ code: z.string(), detail: z.string().optional(), title: z.string().optional() })

/**
 * Sends a join request. Throws AgentError: `join_refused` when the plane said no, `unreachable` when trying again may help,
 * `bad_join_answer` for an answer that is none.
 */
export const postJoin = async (connection: PlaneConnection, join: JoinRequest): Promise<JoinResponse> => {
  const { status, body } = await send(connection, join)
  if (status >= 500 || status === 429) throw new AgentError('unreachable', `the plane answered with ${status}`)
  const content = parseJson(body.toString('utf8'))
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

const send = async (connection: PlaneConnection, join: JoinRequest): Promise<Answer> => {
  try {
    return await post(connection, {
      path: '/v1/join',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(join),
      maxAnswerBytes,
    })
  } catch (error) {
    const text = `the plane ${connection.url} can't be reached: ${toErrorMessage(error)}`
    throw new AgentError('unreachable', text, { cause: error })
  }
}
