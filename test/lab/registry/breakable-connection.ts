import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { Transform } from 'node:stream'

interface WayState {
  cut: boolean
  delayMilliseconds: number
}

/** A way to a TCP server that can be cut, slowed down and healed. */
export class BreakableConnection {
  readonly port: number
  readonly #close: () => void
  readonly #sockets: Set<Socket>
  readonly #state: WayState

  private constructor(port: number, close: () => void, sockets: Set<Socket>, state: WayState) {
    this.port = port
    this.#close = close
    this.#sockets = sockets
    this.#state = state
  }

  static async to(host: string, port: number, listenHost = '127.0.0.1'): Promise<BreakableConnection> {
    const sockets = new Set<Socket>()
    const state: WayState = { cut: false, delayMilliseconds: 0 }
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
        socket.pipe(delayed(state)).pipe(other)
      }
    })
    server.listen(0, listenHost)
    await once(server, 'listening')
    const address = server.address() as AddressInfo
    return new BreakableConnection(address.port, () => server.close(), sockets, state)
  }

  /** Breaks what is open, and refuses what is new. */
  cut(): void {
    this.#state.cut = true
    for (const socket of this.#sockets) socket.destroy()
  }

  /** What is sent from now on waits so long each way. */
  slowDown(delayMilliseconds: number): void {
    this.#state.delayMilliseconds = delayMilliseconds
  }

  heal(): void {
    this.#state.cut = false
    this.#state.delayMilliseconds = 0
  }

  close(): void {
    this.cut()
    this.#close()
  }
}

const delayed = (state: WayState): Transform =>
  new Transform({
    transform: (chunk, _encoding, pass) => {
      if (state.delayMilliseconds === 0) pass(undefined, chunk)
      else setTimeout(pass, state.delayMilliseconds, undefined, chunk)
    },
  })
