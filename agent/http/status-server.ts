import { createServer, type Server, type ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { HostPort } from '#agent/config.ts'
import { keepConnectionsFair } from './fair-connections.ts'
import { listen, patience } from './listen.ts'

export interface StatusSource {
  /** Whether this agent is fit to serve, and why (not). */
  readiness(): { readonly ready: boolean }
  /** Prometheus' text format, in parts: together they may be large. */
  metrics(): Promise<Iterable<string>>
}

const maxConnections = 100

/** /healthz: the process lives. /readyz: it can serve; how old its data are. /metrics. Nothing secret, nothing that changes anything. */
export class StatusServer {
  readonly #server: Server

  constructor(source: StatusSource) {
    this.#server = createServer(patience, (request, response) => {
      const [path] = (request.url ?? '').split('?')
      if (request.method !== 'GET' && request.method !== 'HEAD') respond(response, 405, { error: 'only GET' })
      else if (path === '/healthz') respond(response, 200, { status: 'ok' })
      else if (path === '/readyz') {
        const readiness = source.readiness()
        respond(response, readiness.ready ? 200 : 503, readiness)
      } else if (path === '/metrics') void respondWithMetrics(response, source)
      else respond(response, 404, { error: 'there are /healthz, /readyz and /metrics' })
    })
    keepConnectionsFair(this.#server, maxConnections)
  }

  /** Gives the port, which is another one than asked for when that is 0. */
  listen(address: HostPort): Promise<number> {
    return listen(this.#server, address)
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

const respond = (response: ServerResponse, status: number, body: object): void => {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
  response.end(`${JSON.stringify(body)}\n`)
}

const respondWithMetrics = async (response: ServerResponse, source: StatusSource): Promise<void> => {
  try {
    const parts = await source.metrics()
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' })
    await pipeline(Readable.from(parts), response)
  } catch {
    if (response.headersSent) response.destroy()
    else respond(response, 500, { error: 'metrics could not be collected' })
  }
}
