import { request as httpRequest, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { PlaneConnection } from './plane-connection.ts'

export interface Post {
  /** Below the connection's URL. */
  readonly path: string
  readonly headers: OutgoingHttpHeaders
  readonly body: string | Uint8Array
  /** A longer answer is an error. */
  readonly maxAnswerBytes: number
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

const timeoutMilliseconds = 30_000

/** Sends a body, and gives the whole answer, whatever its status. Throws what kept it from coming within thirty seconds. */
export const post = (
  { url, ca, agent }: PlaneConnection,
  { path, headers, body, maxAnswerBytes }: Post,
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const send = url.startsWith('https:') ? httpsRequest : httpRequest
    const request = send(
      `${url}${path}`,
      {
        method: 'POST',
        headers: { ...headers, 'content-length': Buffer.byteLength(body) },
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
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
        )
        response.on('error', reject)
      },
    )
    request.on('error', reject)
    request.end(body)
  })
