import type { Clock } from '#agent/clock.ts'
import type { Log } from '#agent/log.ts'

export interface RootProofOptions {
  readonly clock: Clock
  readonly log: Log
  /** How long it takes until proxies have read roots that were written for them. */
  readonly settleMilliseconds: number
  /** The intermediate that is to sign, where it is of another root than the one that does. */
  readonly candidate: () => string | undefined
  /** Which of the two vouches for the agent on connections that are made from now on. */
  readonly show: (isCandidate: boolean) => Promise<void>
  /** Has all proxies connect anew. */
  readonly reconnect: () => void
  /** The connected proxies, by name, and since when (milliseconds since the epoch). */
  readonly connections: () => ReadonlyMap<string, number>
  readonly onChange: () => void
}

interface Shown {
  readonly from: number
  /** Infinity = it is shown now. */
  to: number
}

/** A connection that is being made when the certificate changes may be vouched for by the one before. */
const guardMilliseconds = 3000
/** Who knows the new root has come back by then. */
const trialMilliseconds = 15_000
const shownMilliseconds = 5 * 60_000
/** In between, who does not know it can come: Envoy tries every 30 seconds at least. */
const hiddenMilliseconds = 45_000
const pauseMilliseconds = 10 * 60_000
const maxShown = 64

/**
 * Finds out which proxies would know their agent by a certificate of another root: the roots that they know it by are in files, on machines
 * written by people. The agent shows the intermediate that is to sign, and has proxies connect anew: who comes has proven it. When somebody
 * does not come, all find the certificate of before again, and it is tried later.
 */
export class RootProof {
  readonly #options: RootProofOptions
  #candidate: string | undefined
  /** When the candidate was shown, to whom connected then. */
  #shown: readonly Shown[] = []
  #cancel = (): void => {}
  #isStopped = false

  constructor(options: RootProofOptions) {
    this.#options = options
  }

  /** The candidate may be another now. */
  async changed(): Promise<void> {
    const { candidate, settleMilliseconds } = this.#options
    const current = candidate()
    if (current === this.#candidate) return
    this.#candidate = current
    this.#cancel()
    const wasShown = this.#close()
    this.#shown = []
    if (current !== undefined) this.#after(settleMilliseconds, () => this.#begin())
    if (wasShown) await this.#options.show(false)
  }

  /** The connected proxies that have yet to prove it; none where there is nothing to prove. */
  unproven(): readonly string[] {
    if (this.#candidate === undefined) return []
    return [...this.#options.connections()].flatMap(([proxy, since]) =>
      this.#shown.some(({ from, to }) => from <= since && since < to) ? [] : [proxy],
    )
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel()
  }

  async #begin(): Promise<void> {
    const { clock, show } = this.#options
    await show(true)
    this.#after(guardMilliseconds, async () => {
      this.#shown = [...this.#shown.slice(1 - maxShown), { from: clock.now(), to: Infinity }]
      const expected = this.unproven()
      if (expected.length > 0) this.#try(expected)
      else this.#after(shownMilliseconds, () => this.#end(hiddenMilliseconds))
    })
  }

  #try(expected: readonly string[]): void {
    const { log, reconnect, onChange } = this.#options
    log.info({ proxies: expected.length }, 'proxies connect anew, to show that they know the new root')
    reconnect()
    this.#after(trialMilliseconds, async () => {
      const { connections } = this.#options
      const [present, unproven] = [connections(), new Set(this.unproven())]
      const missing = expected.filter((proxy) => !present.has(proxy) || unproven.has(proxy))
      onChange()
      if (missing.length === 0) return this.#after(shownMilliseconds, () => this.#end(hiddenMilliseconds))
      log.warn({ missing: missing.slice(0, 8), proxies: missing.length }, 'proxies may not know the new root')
      return this.#end(pauseMilliseconds)
    })
    onChange()
  }

  async #end(untilNext: number): Promise<void> {
    this.#close()
    await this.#options.show(false)
    this.#after(untilNext, () => this.#begin())
  }

  /** Who comes from now on has proven nothing. Returns whether the candidate was shown. */
  #close(): boolean {
    const last = this.#shown.at(-1)
    if (last?.to !== Infinity) return false
    last.to = this.#options.clock.now()
    return true
  }

  #after(milliseconds: number, task: () => Promise<void> | void): void {
    if (this.#isStopped) return
    const { clock, log } = this.#options
    this.#cancel = clock.after(milliseconds, () => {
      void (async () => task())().catch((error: unknown) => {
        log.error({ err: error }, "could not change the agent's certificate")
        this.#after(pauseMilliseconds, () => this.#begin())
      })
    })
  }
}
