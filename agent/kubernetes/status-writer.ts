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
  #failures = 0
  #failure: string | undefined
  #isWriting = false
  #isStopped = false
  #cancel: (() => void) | undefined

  constructor(options: StatusWriterOptions) {
    this.#options = options
  }

  /** How many objects wait. */
  get pending(): number {
    return this.#pending.size
  }

  /** What is so of each object as it is now. */
  update(conditionsOf: (key: string) => readonly Condition[]): void {
    const { objects } = this.#options.observed
    this.#wanted = new Map(
      Array.from(objects, ([key, { generation }]) => [key, { generation, conditions: conditionsOf(key) }]),
    )
    for (const key of this.#wanted.keys()) this.consider(key)
  }

  /** The API server shows another version of an object, or it is gone. */
  consider(key: string): void {
    const seen = this.#options.observed.objects.get(key)
    if (!seen) {
      this.#pending.delete(key)
      this.#done.delete(key)
      return
    }
    if (this.#done.get(key) !== seen.resourceVersion) this.#done.delete(key)
    if (!this.#toWrite(key, seen)) {
      this.#pending.delete(key)
      return
    }
    this.#pending.add(key)
    this.#schedule(0)
  }

  /** Who reports may be another now. */
  electionChanged(): void {
    this.#pending.clear()
    if (this.#options.isReporter()) for (const key of this.#wanted.keys()) this.consider(key)
  }

  /** What stands in the way, for people. */
  problems(): readonly string[] {
    return this.#failure === undefined ? [] : [`statuses can't be written: ${this.#failure}`]
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel?.()
  }

  /** The conditions that an object is to have; undefined = nothing is to be done. */
  #toWrite(key: string, seen: ObservedObject): readonly unknown[] | undefined {
    const { isReporter, clock } = this.#options
    const wanted = this.#wanted.get(key)
    if (!isReporter() || this.#done.has(key) || wanted?.generation !== seen.generation) return undefined
    return mergeConditions(seen.conditions, wanted.conditions, wanted.generation, clock.now())
  }

  #schedule(delayMilliseconds: number): void {
    if (this.#isWriting || this.#isStopped) return
    this.#cancel ??= this.#options.clock.after(delayMilliseconds, () => {
      this.#cancel = undefined
      void this.#writeNext()
    })
  }

  async #writeNext(): Promise<void> {
    const [key] = this.#pending
    if (key === undefined) return
    this.#isWriting = true
    let delay = paceMilliseconds
    try {
      await this.#write(key)
      this.#setFailure(undefined)
    } catch (error) {
      delay = toBackoffMilliseconds(Math.min(this.#failures, maxBackoffAttempt), this.#options.random())
      this.#failures += 1
      this.#setFailure(toErrorMessage(error))
    }
    this.#isWriting = false
    if (this.#pending.size > 0) this.#schedule(delay)
  }

  async #write(key: string): Promise<void> {
    const { client, observed, log } = this.#options
    const seen = observed.objects.get(key)
    const conditions = seen && this.#toWrite(key, seen)
    if (!conditions) {
      this.#pending.delete(key)
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
    this.#pending.delete(key)
    this.#done.set(key, seen.resourceVersion)
    // What was seen in the meantime may be another version already.
    this.consider(key)
  }

  #setFailure(failure: string | undefined): void {
    const before = this.#failure
    this.#failure = failure
    if (failure === undefined) this.#failures = 0
    else if (before === undefined) this.#options.log.warn({ reason: failure }, "statuses can't be written")
    if (before !== failure) this.#options.onProblems()
  }
}
