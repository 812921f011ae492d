import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What the echo application says of a request: who answered, and what it saw of the caller. */
export interface Echo {
  readonly app: string
  readonly path: string
  readonly method: string
  /** The caller's SPIFFE ID, from x-forwarded-client-cert; null when there was none. */
  readonly caller: string | null
  readonly headers: Readonly<Record<string, string>>
}

/** A plain HTTP application on loopback, as a workload behind its sidecar. */
export class EchoApp {
  readonly app: string
  readonly #server: Server
  requests = 0

  private constructor(app: string, server: Server) {
    this.app = app
    this.#server = server
  }

  static async start(app: string, port = 0, host = '127.0.0.1'): Promise<EchoApp> {
    // A proxy may be about to use a connection that is idle.
    const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
      self.requests++
      const xfcc = request.headers['x-forwarded-client-cert']
      const echo: Echo = {
        app,
        path: request.url ?? '',
        method: request.method ?? '',
        caller: /(?:^|;)URI=([^;,"]+)/.exec(String(xfcc ?? ''))?.[1] ?? null,
        headers: Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)])),
      }
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(echo))
    })
    const self = new EchoApp(app, server)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, host, resolve)
    })
    return self
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}
