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

/** Of requests that may do better when they are sent again. */
const isPassing = (status: number): boolean => status >= 500 || status === 429 || status === 408

/**
 * `fetch` for what an identity provider says of itself: to public hosts alone, to where it was sent and no further, and not for long. Throws
 * AtollError `unavailable` for what may pass: no answer, or one that says so.
 */
export const toProviderFetch =
  (allowsLoopback: boolean): ProviderFetch =>
  async (text, { method, headers, body = null }) => {
    const url = new URL(text)
    if (!isPublicUrl(url, allowsLoopback))
      throw new AtollError('invalid_request', `${url.origin} is not a public https address`)
    const { status, headers: answered, bytes } = await send(url, { method, headers, body })
    if (isPassing(status)) throw new AtollError('unavailable', `${url.origin} answers HTTP ${status}`)
    return new Response(bytes, { status, headers: answered })
  }

const send = async (url: URL, init: Parameters<ProviderFetch>[1] & { readonly body: BodyInit | null }) => {
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    const response = await fetch(url, { ...init, redirect: 'manual', signal })
    return { status: response.status, headers: response.headers, bytes: await readBounded(response) }
  } catch (error) {
    if (error instanceof AtollError) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new AtollError('unavailable', `${url.origin} does not answer: ${reason}`, { cause: error })
  }
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
