import { hash } from 'node:crypto'

/** Longer than a proxy tries (xds/build/build-record-log.ts). */
const rememberedMs = 20_000
const maxRemembered = 50_000

/**
 * Messages that were taken lately. A proxy whose connection broke before it had the answer sends the same bytes again; no two messages are the same
 * otherwise, since records have their times.
 */
export class ToldMessages {
  readonly #now: () => number
  /** When each was taken, the oldest first. */
  readonly #told = new Map<string, number>()

  constructor(now: () => number) {
    this.#now = now
  }

  has(key: string): boolean {
    return this.#told.has(key)
  }

  add(key: string): void {
    const now = this.#now()
    this.#told.set(key, now)
    for (const [each, at] of this.#told) {
      if (now - at <= rememberedMs && this.#told.size <= maxRemembered) break
      this.#told.delete(each)
    }
  }
}

/** What a message of a proxy is known by. */
export const toMessageKey = (proxy: string, message: Buffer): string => `${proxy} ${hash('sha1', message, 'base64')}`
