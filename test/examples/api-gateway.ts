import { request as requestHttp, createServer, type IncomingMessage, type RequestOptions, type Server } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { AddressInfo } from 'node:net'

/** Where an API gateway sends what it lets through. */
export interface ApiUpstream {
  readonly secure: boolean
  readonly options: RequestOptions & { readonly ca?: string; readonly cert?: string; readonly key?: string }
  /** What the requests ask for: "http://reviews:9080" of a proxy, "" of a server. */
  readonly origin: string
  readonly host: string
}

/** As small as an API gateway can be: who has the key is let through, as the consumer that it is of. */
export class ApiGateway {
  readonly #server: Server
  static readonly key = 'key-of-acme'

  private constructor(server: Server) {
    this.#server = server
  }

  static async start(upstream: ApiUpstream, host = '127.0.0.1'): Promise<ApiGateway> {
    const server = createServer((incoming, outgoing) => {
      if (incoming.headers['x-api-key'] !== ApiGateway.key) {
        outgoing.writeHead(401).end()
        return
      }
      const send = upstream.secure ? requestHttps : requestHttp
      const forwarded = send({
        ...upstream.options,
        method: incoming.method,
        path: `${upstream.origin}${incoming.url}`,
        headers: { host: upstream.host, 'x-consumer': 'acme' },
      })
      forwarded.on('response', (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502)
        answer.pipe(outgoing)
      })
      forwarded.on('error', () => outgoing.writeHead(502).end())
      incoming.pipe(forwarded)
    })
    await new Promise<void>((resolve) => server.listen(0, host, resolve))
    return new ApiGateway(server)
  }

  /** One that calls reviews through the HTTP proxy port of the sidecar at an address. */
  static startBesideSidecar(address: string): Promise<ApiGateway> {
    const reviews = 'reviews.default.svc.cluster.local:9080'
    const options = { host: address, port: 15_007 }
    return ApiGateway.start({ secure: false, options, origin: `http://${reviews}`, host: reviews })
  }

  /** A client's request. */
  call(path: string, key = ApiGateway.key): Promise<{ readonly status: number; readonly body: string }> {
    const { address: host, port } = this.#server.address() as AddressInfo
    return new Promise((resolve, reject) => {
      const outgoing = requestHttp({ host, port, path, headers: { 'x-api-key': key } }, (answer: IncomingMessage) => {
        let body = ''
        answer.setEncoding('utf8')
        answer.on('data', (text: string) => (body += text))
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }))
      })
      outgoing.on('error', reject)
      outgoing.end()
    })
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}
