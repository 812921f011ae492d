import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest, type RequestOptions } from 'node:https'
import type { KubeConfig } from '@kubernetes/client-node'
import { z } from 'zod'

const timeoutMilliseconds = 10_000
const maxAnswerBytes = 32 * 1024 * 1024

/** An API server that did not do what it was asked. `status` is HTTP's; undefined = there was no answer. */
export class KubernetesError extends Error {
  override readonly name = 'KubernetesError'
  readonly status: number | undefined

  constructor(message: string, status: number | undefined, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.status = status
  }
}

export interface KubernetesRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** With its query. */
  readonly path: string
  readonly body?: object
}

const statusObject = z.object({ reason: z.string().optional(), message: z.string().optional() })

/**
 * Single requests to an API server. Of `@kubernetes/client-node` this is the part that finds the server and proves who we are; its
 * generated clients would have us trust every answer's shape.
 */
export class KubernetesClient {
  readonly #config: KubeConfig

  constructor(config: KubeConfig) {
    this.#config = config
  }

  /** The answer's JSON. Throws KubernetesError for everything but a success. */
  async request({ method, path, body }: KubernetesRequest): Promise<unknown> {
    const { status, text } = await this.#send(method, path, body)
    const content = parseJson(text)
    if (status >= 200 && status <= 299 && content !== undefined) return content
    const { reason, message } = statusObject.safeParse(content).data ?? {}
    const detail = [reason, message].filter((part) => part !== undefined).join(': ')
    throw new KubernetesError(`${method} ${path}: the API server answered ${status} ${detail}`.trimEnd(), status)
  }

  async #send(method: string, path: string, body?: object): Promise<{ status: number; text: string }> {
    const server = this.#config.getCurrentCluster()?.server
    if (server === undefined) throw new KubernetesError('the kubeconfig names no cluster', undefined)
    const payload = body === undefined ? undefined : JSON.stringify(body)
    const options: RequestOptions = {
      method,
      headers: {
        accept: 'application/json',
        ...(payload === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
      },
      signal: AbortSignal.timeout(timeoutMilliseconds),
    }
    try {
      await this.#config.applyToHTTPSOptions(options)
      const url = new URL(`${server.replace(/\/+$/, '')}${path}`)
      return await new Promise((resolve, reject) => {
        const send = url.protocol === 'http:' ? httpRequest : httpsRequest
        const request = send(url, options, (response) => void readText(response).then(resolve, reject))
        request.on('error', reject)
        request.end(payload)
      })
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      throw new KubernetesError(`${method} ${path}: the API server can't be reached: ${reason}`, undefined, {
        cause: error,
      })
    }
  }
}

const readText = async (response: IncomingMessage): Promise<{ status: number; text: string }> => {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response) {
    const bytes = Buffer.from(chunk as Uint8Array)
    length += bytes.byteLength
    if (length > maxAnswerBytes) throw new Error('the answer is too long')
    chunks.push(bytes)
  }
  return { status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }
}

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
