import type { SharedChunk } from './shared-chunks.ts'
import { splitRefused } from './split-refused.ts'
import type { WireResource } from './wire-resource.ts'

/** What one response carries. */
export interface Payload {
  readonly resources: readonly WireResource[]
  readonly removed: readonly string[]
  /** The resources, where others are sent just these too. */
  readonly shared?: SharedChunk
}

/** Everything of its type in a set: ready to be sent for as long as it is current. */
export interface WholeSet {
  readonly chunks: readonly SharedChunk[]
  isCurrent(): boolean
}

/** What a name stands for when its turn comes: a resource to send, nothing to send, or the removal to tell of. */
export type Lookup = (name: string) => WireResource | 'removed' | undefined

export interface BatchOptions {
  readonly names: Iterable<string>
  /** What is due beside the names. */
  readonly whole?: WholeSet | undefined
  /** Those of them that the client waits for. */
  readonly asked: ReadonlySet<string>
  /** When everything in it became due: see `Subscription.plan`. */
  readonly tick: number
  /** Whether it exists to tell of removals that had to wait. */
  readonly isRemoval: boolean
  /** Whether the client waits for a response even if that says nothing. */
  readonly mustAnswer: boolean
}

/** What was due on a subscription at one moment, on its way to the client in one or more responses. */
export class Batch {
  readonly tick: number
  readonly asked: ReadonlySet<string>
  readonly isRemoval: boolean
  readonly #names: readonly string[]
  #nextName = 0
  readonly #whole: WholeSet | undefined
  #nextChunk = 0
  #mustAnswer: boolean
  /** Names that go into a response of their own each: parts of refused responses, to be tried apart. */
  readonly #trials: (readonly string[])[] = []
  readonly #unacked = new Map<string, Payload>()

  constructor({ names, whole, asked, tick, isRemoval, mustAnswer }: BatchOptions) {
    this.#names = [...names]
    this.#whole = whole
    this.asked = asked
    this.tick = tick
    this.isRemoval = isRemoval
    this.#mustAnswer = mustAnswer
  }

  get isWritten(): boolean {
    return !this.#hasNames && !this.#hasChunks && !this.#mustAnswer
  }

  get #hasNames(): boolean {
    return this.#nextName < this.#names.length || this.#trials.length > 0
  }

  get #hasChunks(): boolean {
    return this.#nextChunk < (this.#whole?.chunks.length ?? 0)
  }

  get isDone(): boolean {
    return this.isWritten && this.#unacked.size === 0
  }

  get unackedResponses(): number {
    return this.#unacked.size
  }

  /** The next response's content, of about `maxBytes`; undefined when there is nothing left to say. */
  take(maxBytes: number, lookUp: Lookup): Payload | undefined {
    while (!this.isWritten) {
      const chunk = this.#takeChunk()
      if (chunk) return { resources: chunk.resources, removed: [], shared: chunk }
      const trial = this.#trials.shift()
      const payload = trial ? collect(trial, Infinity, lookUp) : collect(this.#remaining(), maxBytes, lookUp)
      const isEmpty = payload.resources.length === 0 && payload.removed.length === 0
      if (isEmpty && (this.#hasNames || !this.#mustAnswer)) continue
      this.#mustAnswer = false
      return payload
    }
    return undefined
  }

  *#remaining(): Generator<string> {
    for (let name = this.#names[this.#nextName]; name !== undefined; name = this.#names[this.#nextName]) {
      this.#nextName++
      yield name
    }
  }

  /** When the set has changed since, what is left of it is looked up name by name. */
  #takeChunk(): SharedChunk | undefined {
    if (!this.#whole || !this.#hasChunks) return undefined
    if (this.#whole.isCurrent()) return this.#whole.chunks[this.#nextChunk++]
    for (const { resources } of this.#whole.chunks.slice(this.#nextChunk))
      this.#trials.push(resources.map(({ name }) => name))
    this.#nextChunk = this.#whole.chunks.length
    return undefined
  }

  sent(nonce: string, payload: Payload): void {
    this.#unacked.set(nonce, payload)
  }

  /** Returns what the response carried; undefined when no such response is waiting ("stale nonce"). */
  acknowledge(nonce: string): Payload | undefined {
    const payload = this.#unacked.get(nonce)
    this.#unacked.delete(nonce)
    return payload
  }

  /**
   * The client refused a response. When that carried one thing, it is to blame and returned; otherwise its parts are tried again
   * apart, until one is: a NACK speaks of a whole response.
   */
  refuse(nonce: string, message: string): WireResource | string | undefined {
    const payload = this.acknowledge(nonce)
    if (!payload) return undefined
    const [first, ...others] = [...payload.resources, ...payload.removed]
    if (others.length === 0) return first
    const names = [...payload.resources.map(({ name }) => name), ...payload.removed]
    this.#trials.push(...splitRefused(names, message))
    return undefined
  }
}

const collect = (names: Iterable<string>, maxBytes: number, lookUp: Lookup): Payload => {
  const resources: WireResource[] = []
  const removed: string[] = []
  let bytes = 0
  for (const name of names) {
    const found = lookUp(name)
    if (found === 'removed') removed.push(name)
    else if (found) resources.push(found)
    bytes += typeof found === 'object' ? found.resource.body.byteLength : name.length
    if (bytes >= maxBytes) break
  }
  return { resources, removed }
}
