import { attachment } from './session.ts'
import type { Attachment, Open, Session } from './session.ts'

const GOING_AWAY = 1001

interface Entry {
  readonly socket: WebSocket
  state: Attachment
}

/** The sockets of a mesh: read from their attachments when the object wakes up, written through to them on every change. */
export class Sessions {
  readonly #entries = new Map<WebSocket, Entry>()

  constructor(sockets: readonly WebSocket[]) {
    for (const socket of sockets) {
      const parsed = attachment.safeParse(socket.deserializeAttachment())
      if (parsed.success) this.#entries.set(socket, { socket, state: parsed.data })
      // Written by another version of this code: the agent comes back and begins anew.
      else socket.close(GOING_AWAY, 'the plane was updated')
    }
  }

  get size(): number {
    return this.#entries.size
  }

  find(socket: WebSocket): Attachment | undefined {
    return this.#entries.get(socket)?.state
  }

  set(socket: WebSocket, state: Attachment): void {
    socket.serializeAttachment(state)
    const entry = this.#entries.get(socket)
    if (entry) entry.state = state
    else this.#entries.set(socket, { socket, state })
  }

  update({ socket }: Session, changes: Partial<Open>): void {
    const state = this.find(socket)
    if (state?.phase === 'open') this.set(socket, { ...state, ...changes })
  }

  remove(socket: WebSocket): void {
    this.#entries.delete(socket)
  }

  /** All sockets, those that have not said hello too. */
  all(): Readonly<Entry>[] {
    return [...this.#entries.values()]
  }

  /** The established sessions. */
  open(): Session[] {
    return this.all().filter((entry): entry is Session => entry.state.phase === 'open')
  }

  ofCluster(cluster: string): Session[] {
    return this.open().filter(({ state }) => state.cluster === cluster)
  }

  reporterOf(cluster: string): Session | undefined {
    return this.ofCluster(cluster).find(({ state }) => state.reporting)
  }
}
