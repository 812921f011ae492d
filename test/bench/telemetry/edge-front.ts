import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/**
 * What an agent takes for its plane. Everything but telemetry goes on to the real one; telemetry does too, or is taken here (and forgotten), or is
 * answered with 503.
 */
export class EdgeFront {
  telemetry: 'on' | 'taken' | 'refused' = 'on'
  readonly #plane: URL
  readonly #sockets = new Set<Duplex>()
  readonly #server = createServer((request, response) => this.#answer(request, response))

  private constructor(plane: string) {
    this.#plane = new URL(plane)
    this.#server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) =>
      this.#upgrade(request, socket, head),
    )
  }

  static async start(plane: string): Promise<EdgeFront> {
    const front = new EdgeFront(plane)
    await new Promise<void>((resolve) => front.#server.listen(0, '127.0.0.1', resolve))
    return front
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
    for (const socket of this.#sockets) socket.destroy()
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    if (this.telemetry !== 'on' && request.url?.startsWith('/v1/otlp/')) {
      const status = this.telemetry === 'taken' ? 200 : 503
      request.resume().on('end', () => response.writeHead(status, { 'content-type': 'application/x-protobuf' }).end())
      return
    }
    const { hostname, port } = this.#plane
    const { method, url, headers } = request
    const onward = httpRequest({ hostname, port, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    onward.on('error', () => response.destroy())
    request.pipe(onward)
  }

  /** The agent's uplink is a WebSocket: the request as it came, then bytes both ways. */
  #upgrade({ method, url, rawHeaders }: IncomingMessage, socket: Socket, head: Buffer): void {
    const onward = connect(Number(this.#plane.port), this.#plane.hostname)
    const lines = rawHeaders.flatMap((name, index) =>
      index % 2 === 0 ? [`${name}: ${rawHeaders[index + 1] ?? ''}`] : [],
    )
    onward.write(`${method} ${url} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)
    onward.write(head)
    socket.pipe(onward).pipe(socket)
    for (const [one, other] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      this.#sockets.add(one)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        this.#sockets.delete(one)
        other.destroy()
      })
    }
  }
}
