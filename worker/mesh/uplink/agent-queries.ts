import type { AgentMessage, PlaneMessage } from '#mesh/uplink.ts'
import { newId } from '../../secret-token.ts'
import { sendMessage } from './session.ts'
import type { Session } from './session.ts'

type Query = Extract<PlaneMessage, { type: 'query' }>['query']
type Answer = Extract<AgentMessage, { type: 'answer' }>

/** `text` is JSON, as the agent says. `none`: the agent says that there is no such thing. */
export type QueryResult =
  | { readonly kind: 'answer'; readonly text: string }
  | { readonly kind: 'none' | 'timeout' | 'gone' | 'too-large' }

interface Pending {
  readonly socket: WebSocket
  readonly settle: (result: QueryResult) => void
  readonly parts: string[]
  chars: number
}

const MAX_PENDING = 1_000
const MAX_ANSWER_CHARS = 8 * 1024 * 1024

/** Questions to agents that have not been answered. They keep the object awake, so nothing of them has to outlast its sleep. */
export class AgentQueries {
  readonly #pending = new Map<string, Pending>()
  readonly #random: (bytes: number) => Uint8Array

  constructor(random: (bytes: number) => Uint8Array) {
    this.#random = random
  }

  ask({ socket }: Session, query: Query, timeoutMs: number): Promise<QueryResult> {
    if (this.#pending.size >= MAX_PENDING) return Promise.resolve({ kind: 'timeout' })
    const request = newId(this.#random)
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#settle(request, { kind: 'timeout' }), timeoutMs)
      const settle = (result: QueryResult) => {
        clearTimeout(timer)
        resolve(result)
      }
      this.#pending.set(request, { socket, settle, parts: [], chars: 0 })
      sendMessage(socket, { type: 'query', request, query })
    })
  }

  /** Takes a part of an answer; one that nobody waits for any more is dropped. */
  receive(socket: WebSocket, { request, ok, part, more }: Answer): void {
    const pending = this.#pending.get(request)
    if (pending?.socket !== socket) return
    pending.chars += part.length
    if (pending.chars > MAX_ANSWER_CHARS) {
      this.#settle(request, { kind: 'too-large' })
      return
    }
    pending.parts.push(part)
    if (more) return
    this.#settle(request, ok ? { kind: 'answer', text: pending.parts.join('') } : { kind: 'none' })
  }

  /** Nobody will answer on this socket any more. */
  drop(socket: WebSocket): void {
    for (const [request, pending] of this.#pending)
      if (pending.socket === socket) this.#settle(request, { kind: 'gone' })
  }

  #settle(request: string, result: QueryResult): void {
    this.#pending.get(request)?.settle(result)
    this.#pending.delete(request)
  }
}
