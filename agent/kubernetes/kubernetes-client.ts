import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest, type RequestOptions } from 'node:https'
import type { KubeConfig } from '@kubernetes/client-node'
import { z } from 'zod'
import { toErrorMessage } from '#mesh/error-message.ts'
import { parseJson } from '#mesh/parse-json.ts'

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

/** Whether an API server did not let us. */
export const isForbidden = (error: unknown): boolean => error instanceof KubernetesError && error.status === 403

export interface KubernetesRequest {
  /** PATCH: a JSON merge patch. */
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** With its query. */
  readonly path: string
  readonly body?: object
}

/** An open watch that has died without a word is found by TCP after about 20 s, where nothing in between answers for the server. */
const keepAliveMilliseconds = 10_000

const statusObject = z.object({ reason: z.string().optional(), message: z.string().optional() })

/**
 * Requests to an API server. Of `@kubernetes/client-node` this is the part that finds the server and proves who we are; its
 * generated clients would have us trust every answer's shape.
 */
export class KubernetesClient {
  readonly #config: KubeConfig

  constructor(config: KubeConfig) {
    this.#config = config
  }

  /** The answer's JSON. Throws KubernetesError for everything but a success. */
  request({ method, path, body }: KubernetesRequest): Promise<unknown> {
    return this.#attempt(method, path, async () => {
      const response = await this.#open(method, path, AbortSignal.timeout(timeoutMilliseconds), body)
      const content = await readJson(response)
      if (!isSuccess(response) || content === undefined) throw toRefusal(method, path, response, content)
      return content
    })
  }

  /**
   * An answer that goes on, piece by piece as its text comes. It fails when nothing has come for `silenceMilliseconds`, and ends when
   * `signal` aborts. Throws KubernetesError as `request` does; what then breaks the answer off is not one.
   */
  stream(path: string, signal: AbortSignal, silenceMilliseconds: number): Promise<AsyncIterable<string>> {
    return this.#attempt('GET', path, async () => {
      const response = await this.#open('GET', path, signal)
      if (!isSuccess(response)) throw toRefusal('GET', path, response, await readJson(response))
      const { socket } = response
      socket.setKeepAlive(true, keepAliveMilliseconds)
      socket.setTimeout(silenceMilliseconds)
      return response.setEncoding('utf8')
    })
  }

  async #attempt<T>(method: string, path: string, task: () => Promise<T>): Promise<T> {
    try {
      return await task()
    } catch (error) {
      if (error instanceof KubernetesError) throw error
      const reason = toErrorMessage(error)
      throw new KubernetesError(`${method} ${path}: the API server can't be reached: ${reason}`, undefined, {
        cause: error,
      })
    }
  }

  async #open(method: string, path: string, signal: AbortSignal, body?: object): Promise<IncomingMessage> {
    const server = this.#config.getCurrentCluster()?.server
    if (server === undefined) throw new KubernetesError('the kubeconfig names no cluster', undefined)
    const payload = body === undefined ? undefined : JSON.stringify(body)
    const options: RequestOptions = {
      method,
      headers: {
        // The issuer's keys are served as nothing else.
        accept: 'application/json, application/jwk-set+json',
        ...(payload === undefined
          ? {}
          : {
              'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
              'content-length': Buffer.byteLength(payload),
            }),
      },
      signal,
    }
    await this.#config.applyToHTTPSOptions(options)
    const url = new URL(`${server.replace(/\/+$/, '')}${path}`)
    return new Promise((resolve, reject) => {
      const send = url.protocol === 'http:' ? httpRequest : httpsRequest
      const request = send(url, options, resolve)
      request.on('error', reject)
      request.setTimeout(timeoutMilliseconds, () => request.destroy(new Error('it has fallen silent')))
      request.end(payload)
    })
  }
}

const isSuccess = ({ statusCode = 0 }: IncomingMessage): boolean => statusCode >= 200 && statusCode <= 299

const toRefusal = (
  method: string,
  path: string,
  { statusCode = 0 }: IncomingMessage,
  content: unknown,
): KubernetesError => {
  const { reason, message } = statusObject.safeParse(content).data ?? {}
  const detail = [reason, message].filter((part) => part !== undefined).join(': ')
  return new KubernetesError(`${method} ${path}: the API server answered ${statusCode} ${detail}`.trimEnd(), statusCode)
}

/** undefined = it is no JSON. */
const readJson = async (response: IncomingMessage): Promise<unknown> => {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response) {
    const bytes = Buffer.from(chunk as Uint8Array)
    length += bytes.byteLength
    if (length > maxAnswerBytes) throw new Error('the answer is too long')
    chunks.push(bytes)
  }
  return parseJson(Buffer.concat(chunks).toString('utf8'))
}
