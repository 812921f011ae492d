import type { Clock } from '#agent/clock.ts'
import type { Log } from '#agent/log.ts'
import type { ObservedObject, ObservedObjects } from '#agent/registry/kubernetes/observed-objects.ts'
import { toBackoffMilliseconds } from '#agent/uplink/backoff.ts'
import { toErrorMessage } from '#mesh/error-message.ts'
import { agentName } from '#mesh/kubernetes/conventions.ts'
import type { Condition } from '#mesh/status/condition.ts'
import { KubernetesError, type KubernetesClient } from './kubernetes-client.ts'
import { mergeConditions } from './merge-conditions.ts'

export interface StatusWriterOptions {
  readonly client: Pick<KubernetesClient, 'request'>
  readonly observed: Pick<ObservedObjects, 'objects'>
  /** Only one replica writes. */
  readonly isReporter: () => boolean
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly log: Log
  /** What `problems` says has changed. */
  readonly onProblems: () => void
}

interface Wanted {
  /** What the conditions were found out about. */
  readonly generation: number
  readonly conditions: readonly Condition[]
}

interface Retry {
  readonly attempt: number
  readonly dueAt: number
  readonly reason: string
}

/** Between two writes: a thousand objects take a minute, and an API server hardly notices. */
const paceMilliseconds = 50
const maxBackoffAttempt = 6
/** What an API server says of one object and not of all: there is no use in asking again before the object is another. */
const lastingStatuses: ReadonlySet<number | undefined> = new Set([400, 404, 405, 409, 413, 415, 422])

/**
 * Writes Atoll's conditions into the statuses of a cluster's custom resources, one object after the other, and only where the API server
 * shows something else. Others' conditions stay: the list is one field to the API server (Istio's CRDs give it no keys), so it is written
 * whole, with what was seen of it, under the version that was seen.
 */
export class StatusWriter {
  readonly #options: StatusWriterOptions
  #wanted = new Map<string, Wanted>()
  readonly #pending = new Set<string>()
  /** The versions that are done with: written, or the server would not take it. The next one that is seen counts again. */
  readonly #done = new Map<string, string>()
  /** Those that failed, which are tried again by themselves: what an admission policy has against one keeps no other waiting. */
  readonly #retries = new Map<string, Retry>()
  /** Different objects that failed one after the other: then it is the API server. */
  readonly #failedInRow = new Set<string>()
  #failures = 0
  /** When it may be asked again. */
  #nextAt = 0
  #problem: string | undefined
  #isWriting = false
  #isStopped = false
  #wake: { readonly at: number; readonly cancel: () => void } | undefined

  constructor(options: StatusWriterOptions) {
    this.#options = options
  }

  /** How many objects wait. */
  get pending(): number {
    return this.#pending.size + this.#retries.size
  }

  /** What is so of each object as it is now, but for those of which that is not known: their conditions stay. */
  update(conditionsOf: (key: string) => readonly Condition[], unknown: ReadonlySet<string> = new Set()): void {
    const { objects } = this.#options.observed
    const before = this.#wanted
    this.#wanted = new Map(
      [...objects].flatMap(([key, { generation }]): (readonly [string, Wanted])[] => {
        if (!unknown.has(key)) return [[key, { generation, conditions: conditionsOf(key) }]]
        const wanted = before.get(key)
        return wanted ? [[key, wanted]] : []
      }),
    )
    for (const key of this.#wanted.keys()) this.consider(key)
  }

  /** The API server shows another version of an object, or it is gone. */
  consider(key: string): void {
    const seen = this.#options.observed.objects.get(key)
    if (this.#done.get(key) !== seen?.resourceVersion) this.#done.delete(key)
    if (!seen || !this.#toWrite(key, seen)) {
      this.#settle(key)
      return
    }
    if (!this.#retries.has(key)) this.#pending.add(key)
    this.#schedule()
  }

  /** Who reports may be another now. */
  electionChanged(): void {
    this.#pending.clear()
    this.#retries.clear()
    this.#endRow()
    this.#noteProblem()
    if (this.#options.isReporter()) for (const key of this.#wanted.keys()) this.consider(key)
  }

  /** What stands in the way, for people. */
  problems(): readonly string[] {
    return this.#problem === undefined ? [] : [this.#problem]
  }

  stop(): void {
    this.#isStopped = true
    this.#wake?.cancel()
  }

  /** The conditions that an object is to have; undefined = nothing is to be done. */
  #toWrite(key: string, seen: ObservedObject): readonly unknown[] | undefined {
    const { isReporter, clock } = this.#options
    const wanted = this.#wanted.get(key)
    if (!isReporter() || this.#done.has(key) || wanted?.generation !== seen.generation) return undefined
    return mergeConditions(seen.conditions, wanted.conditions, wanted.generation, clock.now())
  }

  #schedule(): void {
    if (this.#isWriting || this.#isStopped) return
    const wanted = this.#pending.size > 0 ? 0 : Math.min(...Array.from(this.#retries.values(), ({ dueAt }) => dueAt))
    const at = Math.max(wanted, this.#nextAt)
    if (!Number.isFinite(at) || (this.#wake && this.#wake.at <= at)) return
    this.#wake?.cancel()
    const { clock } = this.#options
    const cancel = clock.after(Math.max(0, at - clock.now()), () => {
      this.#wake = undefined
      void this.#writeNext()
    })
    this.#wake = { at, cancel }
  }

  #next(): string | undefined {
    const [fresh] = this.#pending
    if (fresh !== undefined) return fresh
    const now = this.#options.clock.now()
    for (const [key, { dueAt }] of this.#retries) if (dueAt <= now) return key
    return undefined
  }

  async #writeNext(): Promise<void> {
    const { clock } = this.#options
    const key = this.#next()
    if (key !== undefined) {
      this.#isWriting = true
      let delay = paceMilliseconds
      try {
        await this.#write(key)
        this.#answered()
      } catch (error) {
        this.#failed(key, toErrorMessage(error))
        if (this.#failedInRow.size > 1) delay = this.#toBackoff(this.#failures - 2)
      }
      this.#nextAt = clock.now() + delay
      this.#isWriting = false
      this.#noteProblem()
    }
    this.#schedule()
  }

  /** The API server takes statuses: what it did not take while it took none is due. */
  #answered(): void {
    if (this.#failedInRow.size > 1)
      for (const [key, retry] of this.#retries) this.#retries.set(key, { ...retry, dueAt: 0 })
    this.#endRow()
  }

  #endRow(): void {
    this.#failedInRow.clear()
    this.#failures = 0
  }

  #failed(key: string, reason: string): void {
    const attempt = (this.#retries.get(key)?.attempt ?? -1) + 1
    this.#settle(key)
    this.#retries.set(key, { attempt, dueAt: this.#options.clock.now() + this.#toBackoff(attempt), reason })
    this.#failedInRow.add(key)
    this.#failures += 1
  }

  #toBackoff(attempt: number): number {
    return toBackoffMilliseconds(Math.min(attempt, maxBackoffAttempt), this.#options.random())
  }

  #settle(key: string): void {
    this.#pending.delete(key)
    this.#retries.delete(key)
  }

  async #write(key: string): Promise<void> {
    const { client, observed, log } = this.#options
    const seen = observed.objects.get(key)
    const conditions = seen && this.#toWrite(key, seen)
    if (!conditions) {
      this.#settle(key)
      return
    }
    try {
      await client.request({
        method: 'PATCH',
        path: `${seen.path}/status?fieldManager=${agentName}`,
        body: { metadata: { resourceVersion: seen.resourceVersion }, status: { conditions } },
      })
    } catch (error) {
      if (!(error instanceof KubernetesError) || !lastingStatuses.has(error.status)) throw error
      // 409: somebody else was faster, and what they wrote is on its way here.
      if (error.status !== 409) log.warn({ object: key, err: error }, 'the API server does not take a status')
    }
    this.#settle(key)
    this.#done.set(key, seen.resourceVersion)
    // What was seen in the meantime may be another version already.
    this.consider(key)
  }

  #noteProblem(): void {
    const before = this.#problem
    const [first] = this.#retries
    const what = this.#retries.size > 1 ? 'statuses' : `the status of ${first?.[0]}`
    this.#problem = first && `${what} can't be written: ${first[1].reason}`
    if (before === this.#problem) return
    if (before === undefined) this.#options.log.warn({ reason: this.#problem }, "statuses can't be written")
    this.#options.onProblems()
  }
}
