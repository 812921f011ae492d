import type { Clock } from '#agent/clock.ts'
import type { Log } from '#agent/log.ts'
import type { SealedSnapshot } from '#agent/store/sealed-snapshot.ts'
import type { ClusterName } from '#mesh/names.ts'
import { KeptRegistry, type KeptRecord } from './kept-registry.ts'
import type { Registry, RegistryBatch } from './registry.ts'
import { RemovalGuard } from './removal-guard.ts'

export interface LocalRegistryOptions {
  readonly registry: Registry
  readonly cluster: ClusterName
  readonly domainSuffix: string
  /** Where it is found again after a restart. */
  readonly snapshot: SealedSnapshot<KeptRecord>
  readonly clock: Clock
  readonly log: Log
  /** What counts from now on; `confirmed` is the hold that a person agreed to by it. Must not block. */
  readonly onBatch: (batch: RegistryBatch, confirmed?: string) => void
  /** Called once, when the whole registry has been read. */
  readonly onSynced: () => void
}

/** A registry that can be read is read by then; proxies that come back want to be served. */
const patienceMilliseconds = 3000

/**
 * What counts of this cluster's registry: no more is taken away at once than the guard lets through, over restarts too, and while it can't be read
 * after one, what was last known of it goes on.
 */
export class LocalRegistry {
  /** Tells what is held, and takes a person's yes. */
  readonly removals: RemovalGuard
  readonly #options: LocalRegistryOptions
  readonly #kept: KeptRegistry
  #domainSuffix: string
  #isSynced = false
  #asOf: number | undefined

  constructor(options: LocalRegistryOptions) {
    const { registry: _read, cluster, domainSuffix, snapshot, clock } = options
    this.#options = options
    this.#domainSuffix = domainSuffix
    this.#kept = new KeptRegistry({ snapshot, clock, domainSuffix: () => this.#domainSuffix })
    this.removals = new RemovalGuard({
      cluster,
      now: () => clock.now(),
      onBatch: (batch, confirmed) => this.#pass(batch, confirmed),
    })
  }

  /** The whole registry has been read. */
  get isSynced(): boolean {
    return this.#isSynced
  }

  /** When it was written down what counts, as the registry could not be read since the start; milliseconds since the epoch. */
  get asOf(): number | undefined {
    return this.#asOf
  }

  /** Resolves when it can be served from: it has been read, or can't be and something is known of it. */
  async start(): Promise<void> {
    const { registry, clock, log, onSynced } = this.#options
    this.#restore()
    registry.start((batch) => this.removals.take(batch))
    const synced = registry.synced.then(() => {
      this.#isSynced = true
      this.#asOf = undefined
      this.#kept.changed()
      onSynced()
    })
    const asOf = this.#asOf
    if (asOf === undefined) return synced
    let cancel = (): void => {}
    const patience = new Promise<void>((resolve) => {
      cancel = clock.after(patienceMilliseconds, resolve)
    })
    await Promise.race([synced, patience])
    cancel()
    if (!this.#isSynced)
      log.warn(
        { asOf: new Date(asOf).toISOString() },
        "the registry can't be read: what was last known of it is served",
      )
  }

  async stop(): Promise<void> {
    await Promise.all([this.#options.registry.stop(), this.#kept.stop()])
  }

  setDomainSuffix(domainSuffix: string): void {
    if (domainSuffix === this.#domainSuffix) return
    const rename = { from: this.#domainSuffix, to: domainSuffix }
    this.#domainSuffix = domainSuffix
    if (!this.#isSynced) this.removals.rename(rename)
    this.#options.registry.setDomainSuffix(domainSuffix)
  }

  #restore(): void {
    const restored = this.#kept.load()
    if (!restored) return
    this.#asOf = restored.savedAt
    this.removals.restore(restored.batch)
    if (restored.domainSuffix !== this.#domainSuffix)
      this.removals.rename({ from: restored.domainSuffix, to: this.#domainSuffix })
  }

  #pass(batch: RegistryBatch, confirmed: string | undefined): void {
    this.#kept.take(batch)
    if (this.#isSynced) this.#kept.changed()
    this.#options.onBatch(batch, confirmed)
  }
}
