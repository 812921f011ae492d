import { AtollError } from '#api/atoll-error.ts'

export interface BodyLimits {
  /** As it comes. */
  readonly sentBytes: number
  /** Unpacked. */
  readonly bytes: number
}

const tooLarge = ({ sentBytes, bytes }: BodyLimits) =>
  new AtollError('too_large', `a batch may have ${sentBytes} bytes as it is sent, and ${bytes} unpacked`)

/** The body of a request, unpacked if it is gzip. No more of it is read than may be there. Throws AtollError. */
export const readBody = async (request: Request, limits: BodyLimits): Promise<Uint8Array<ArrayBuffer>> => {
  const encoding = request.headers.get('Content-Encoding')?.trim().toLowerCase() ?? 'identity'
  if (encoding !== 'identity' && encoding !== 'gzip')
    throw new AtollError('unsupported_media_type', `send it as it is or as gzip, not as "${encoding.slice(0, 64)}"`)
  if (Number(request.headers.get('Content-Length') ?? 0) > limits.sentBytes) throw tooLarge(limits)
  if (!request.body) return new Uint8Array()
  if (encoding === 'identity') return collect(request.body, Math.min(limits.sentBytes, limits.bytes), limits)

  let sent = 0
  const counter = new TransformStream<Uint8Array, Uint8Array<ArrayBuffer>>({
    transform: (chunk, controller) => {
      sent += chunk.byteLength
      if (sent > limits.sentBytes) controller.error(tooLarge(limits))
      else controller.enqueue(new Uint8Array(chunk))
    },
  })
  try {
    return await collect(
      request.body.pipeThrough(counter).pipeThrough(new DecompressionStream('gzip')),
      limits.bytes,
      limits,
    )
  } catch (error) {
    if (sent > limits.sentBytes) throw tooLarge(limits)
    if (error instanceof AtollError) throw error
    throw new AtollError('invalid_request', 'the body is not gzip, or not all of it')
  }
}

const collect = async (
  stream: ReadableStream<Uint8Array>,
  most: number,
  limits: BodyLimits,
): Promise<Uint8Array<ArrayBuffer>> => {
  const chunks: Uint8Array[] = []
  let length = 0
  const reader = stream.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    length += value.byteLength
    if (length > most) {
      await reader.cancel().catch(() => undefined)
      throw tooLarge(limits)
    }
    chunks.push(value)
  }
  const bytes = new Uint8Array(length)
  let offset = 0
  for (const chunk of chunks) {
    bytes.set(chunk, offset)
    offset += chunk.byteLength
  }
  return bytes
}
