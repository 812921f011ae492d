import { createServer, type Server } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { HostPort } from '#agent/config.ts'
import { keepConnectionsFair } from '#agent/http/fair-connections.ts'
import { listen, patience } from '#agent/http/listen.ts'
import { DurationHistogram, type DurationMeasure } from '#agent/http/duration-histogram.ts'
import type { Leaf } from '#agent/identity/issue-leaf.ts'
import type { Log } from '#agent/log.ts'
import type { InjectionSettings } from '#mesh/injection/injection-settings.ts'
import type { ProxySettingsSource } from '#mesh/injection/proxy-layers.ts'
import { injectorPath } from '#mesh/kubernetes/conventions.ts'
import { parseJson } from '#mesh/parse-json.ts'
import { admissionReview, reviewPod, type ReviewOutcome } from './review-pod.ts'

export interface InjectionServerOptions {
  readonly settings: InjectionSettings
  readonly proxySettings: ProxySettingsSource
  /** Milliseconds since some moment; never goes back. */
  readonly elapsed: () => number
  readonly log: Log
}

/** Since the start. `failed`: what was no review of a pod. */
export interface InjectionStatistics {
  readonly reviews: Readonly<Record<ReviewOutcome | 'failed', number>>
  /** From a request's headers to its answer. */
  readonly durations: DurationMeasure
}

/** An API server takes objects of 3 MiB, and wraps them. */
const maxBodyBytes = 4 * 1024 * 1024
const maxConnections = 200
const handshakeMilliseconds = 5_000

/**
 * The injector's webhook: an API server asks it about each pod that is about to be made. It knows nothing secret and changes nothing, so
 * it asks nobody who he is.
 */
export class InjectionServer {
  readonly #options: InjectionServerOptions
  readonly #server: Server
  readonly #reviews = { injected: 0, skipped: 0, refused: 0, failed: 0 }
  readonly #durations = new DurationHistogram()

  constructor(options: InjectionServerOptions) {
    this.#options = options
    const tls = { minVersion: 'TLSv1.2', handshakeTimeout: handshakeMilliseconds } as const
    this.#server = createServer({ ...patience, ...tls }, (request, response) => void this.#handle(request, response))
    keepConnectionsFair(this.#server, maxConnections)
  }

  /** For connections from now on. Without one, every handshake fails. */
  useCertificate({ chainPem, privateKeyPem }: Leaf): void {
    this.#server.setSecureContext({ cert: chainPem, key: privateKeyPem, minVersion: 'TLSv1.2' })
  }

  /** Gives the port, which is another one than asked for when that is 0. */
  listen(address: HostPort): Promise<number> {
    return listen(this.#server, address)
  }

  /** Answers what was asked, and ends. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeIdleConnections()
    await closed
  }

  statistics(): InjectionStatistics {
    return { reviews: { ...this.#reviews }, durations: this.#durations.measure() }
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { elapsed, log } = this.#options
    const start = elapsed()
    try {
      const { status, body } = await this.#answer(request)
      if (status !== 200) this.#reviews.failed += 1
      const text = JSON.stringify(body)
      // What was not read is not read to its end: the connection is not for another request then.
      response.writeHead(status, {
        'content-type': 'application/json',
        ...(!request.complete && { connection: 'close' }),
      })
      response.end(text)
    } catch (error) {
      this.#reviews.failed += 1
      log.warn({ err: error }, 'could not answer a review of a pod')
      response.destroy()
    }
    this.#durations.record((elapsed() - start) / 1000)
  }

  async #answer(request: IncomingMessage): Promise<{ readonly status: number; readonly body: object }> {
    const [path] = (request.url ?? '').split('?')
    if (path !== injectorPath) return refusal(404, `there is ${injectorPath}`)
    if (request.method !== 'POST') return refusal(405, 'only POST')
    if (!/^application\/json\b/.test(request.headers['content-type'] ?? '')) return refusal(415, 'only JSON')
    const text = await readBody(request)
    if (text === undefined) return refusal(413, `more than ${maxBodyBytes} bytes`)
    const review = admissionReview.safeParse(parseJson(text))
    if (!review.success) return refusal(400, 'this is not an AdmissionReview of admission.k8s.io/v1')
    const { answer, outcome, pod, reason } = reviewPod(review.data, this.#options)
    this.#reviews[outcome] += 1
    this.#options.log[outcome === 'refused' ? 'warn' : 'debug']({ pod, outcome, reason }, 'reviewed a pod')
    return { status: 200, body: answer }
  }
}

const refusal = (status: number, error: string) => ({ status, body: { error } })

/** undefined = it is too long. */
const readBody = async (request: IncomingMessage): Promise<string | undefined> => {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    const bytes = Buffer.from(chunk as Uint8Array)
    length += bytes.byteLength
    if (length > maxBodyBytes) return undefined
    chunks.push(bytes)
  }
  return Buffer.concat(chunks).toString('utf8')
}
