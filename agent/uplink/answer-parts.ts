import type { AgentMessage } from '#mesh/uplink.ts'

type Answer = Extract<AgentMessage, { type: 'answer' }>

/** Every character may cost six when the text is quoted again. */
const partChars = 64 * 1024
const maxAnswerChars = 64 * 1024 * 1024

/** The messages that answer a query; `body` undefined = there is no such thing. */
export const toAnswerParts = function* (request: string, body: unknown): Generator<Answer> {
  const text = body === undefined ? undefined : JSON.stringify(body)
  if (text === undefined || text.length > maxAnswerChars) {
    yield { type: 'answer', request, ok: false, part: text === undefined ? 'not found' : 'too large', more: false }
    return
  }
  for (let start = 0; start < text.length; start += partChars)
    yield {
      type: 'answer',
      request,
      ok: true,
      part: text.slice(start, start + partChars),
      more: start + partChars < text.length,
    }
}
