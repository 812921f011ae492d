import { AtollError } from '#api/atoll-error.ts'
import { isPublicUrl } from './public-host.ts'

const TIMEOUT_MS = 10_000
/** Of metadata, of keys, of a token. */
const MAX_ANSWER_BYTES = 512 * 1024

/** As oauth4webapi calls it. */
export type ProviderFetch = (
  url: string,
  init: {
    readonly method: string
    readonly headers: Record<string, string>
    readonly body?: BodyInit | null | undefined
  },
) => Promise<Response>

/** `fetch` for what an identity provider says of itself: to public hosts alone, to where it was sent and no further, and not for long. */
export const toProviderFetch =
  (allowsLoopback: boolean): ProviderFetch =>
  async (text, { method, headers, body = null }) => {
    const url = new URL(text)
    if (!isPublicUrl(url, allowsLoopback))
      throw new AtollError('invalid_request', `${url.origin} is not a public https address`)
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    const response = await fetch(url, { method, headers, body, redirect: 'manual', signal })
    return new Response(await readBounded(response), { status: response.status, headers: response.headers })
  }

const readBounded = async ({ body }: Response): Promise<Uint8Array<ArrayBuffer>> => {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of body ?? []) {
    length += part.byteLength
    if (length > MAX_ANSWER_BYTES) throw new AtollError('invalid_request', 'the provider’s answer is too long')
    parts.push(part)
  }
  const bytes = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.byteLength
  }
  return bytes
}
