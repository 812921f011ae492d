import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** A way to a TCP server that can be cut and healed. */
export class BreakableConnection {
  readonly port: number
  readonly #close: () => void
  readonly #sockets: Set<Socket>
  readonly #state: { cut: boolean }

  private constructor(port: number, close: () => void, sockets: Set<Socket>, state: { cut: boolean }) {
    this.port = port
    this.#close = close
    this.#sockets = sockets
    this.#state = state
  }

  static async to(host: string, port: number): Promise<BreakableConnection> {
    const sockets = new Set<Socket>()
    const state = { cut: false }
    const server = createServer((incoming) => {
      if (state.cut) {
        incoming.destroy()
        return
      }
      const outgoing = connect(port, host)
      for (const [socket, other] of [
        [incoming, outgoing],
        [outgoing, incoming],
      ] as const) {
        sockets.add(socket)
        socket.on('error', () => other.destroy())
        socket.on('close', () => {
          sockets.delete(socket)
          other.destroy()
        })
        socket.pipe(other)
      }
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address() as AddressInfo
    return new BreakableConnection(address.port, () => server.close(), sockets, state)
  }

  /** Breaks what is open, and refuses what is new. */
  cut(): void {
    this.#state.cut = true
    for (const socket of this.#sockets) socket.destroy()
  }

  heal(): void {
    this.#state.cut = false
  }

  close(): void {
    this.cut()
    this.#close()
  }
}
