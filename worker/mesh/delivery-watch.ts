import type { RevisionDelivery } from '#api/schemas/revisions.ts'

/** Requests that may wait at one mesh at the same time; more are answered at once. */
const MAX_WAITING = 500
/** News of many agents within this time is looked at once. */
const SETTLE_MS = 50

/** Lets requests wait until a delivery has news. */
export class DeliveryWatch {
  readonly #read: (revision: number) => Promise<RevisionDelivery>
  readonly #waiting = new Set<() => void>()
  #isWaking = false
  /** Counts the news: what comes while a delivery is being read finds nobody waiting. */
  #heard = 0

  constructor(read: (revision: number) => Promise<RevisionDelivery>) {
    this.#read = read
  }

  /** An agent said something new, came or went. */
  notify(): void {
    this.#heard += 1
    if (this.#waiting.size === 0 || this.#isWaking) return
    this.#isWaking = true
    setTimeout(() => {
      this.#isWaking = false
      const woken = [...this.#waiting]
      this.#waiting.clear()
      for (const wake of woken) wake()
    }, SETTLE_MS)
  }

  /** The delivery once it is complete or its version is not `after`; as it is when the time is up. `now`: milliseconds. */
  async wait(revision: number, after: string | null, waitMs: number, now: () => number): Promise<RevisionDelivery> {
    const until = now() + waitMs
    let heard = this.#heard
    let delivery = await this.#read(revision)
    const isNews = () => delivery.complete || (after !== null && delivery.version !== after)
    while (!isNews() && now() < until && this.#waiting.size < MAX_WAITING) {
      if (heard === this.#heard) await this.#nextNews(until - now())
      heard = this.#heard
      delivery = await this.#read(revision)
    }
    return delivery
  }

  #nextNews(atMostMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer)
        this.#waiting.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, atMostMs)
      this.#waiting.add(wake)
    })
  }
}
