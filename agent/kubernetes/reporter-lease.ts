import { z } from 'zod'
import type { Clock } from '#agent/clock.ts'
import type { Log } from '#agent/log.ts'
import type { PlaneStanding, ReporterElection } from '#agent/uplink/reporter-election.ts'
import { agentObjectLabels, reporterLease, systemNamespace } from '#mesh/kubernetes/conventions.ts'
import { objectMetadata, type ObjectClient, type ObjectKind } from './object-client.ts'

const lease = z.object({
  metadata: objectMetadata,
  spec: z.object({
    /** Absent or "" = nobody holds it. */
    holderIdentity: z.string().optional(),
    leaseDurationSeconds: z.int().default(15),
    /** RFC 3339 with microseconds. */
    acquireTime: z.string().optional(),
    renewTime: z.string().optional(),
    leaseTransitions: z.int().default(0),
  }),
})
export type Lease = z.infer<typeof lease>

export const leaseKind: ObjectKind<Lease> = {
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  resource: 'leases',
  schema: lease,
}

export interface ReporterLeaseOptions {
  readonly leases: Pick<ObjectClient<Lease>, 'find' | 'create' | 'replace'>
  /** This replica; another container in the same pod is the same holder. */
  readonly replica: string
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly log: Log
  /** What `toTerm` answers may have changed. */
  readonly onChange: () => void
}

const durationSeconds = 15
const renewalMilliseconds = 5000
const retryMilliseconds = 2000

/**
 * The replica that reports holds a Lease. Its `leaseTransitions` is the fencing term: it grows with every new holder, so that the plane
 * refuses one who has not noticed yet that another took over. A holder who learns that the plane has seen a higher term (the Lease was
 * made anew) raises it.
 *
 * As in client-go's leaderelection no clocks are compared: who waits for the Lease goes by when it saw the last renewal, who holds it by
 * when it asked for that one.
 */
export class ReporterLease implements ReporterElection {
  readonly #options: ReporterLeaseOptions
  #held: { readonly lease: Lease; readonly until: number } | undefined
  /** The Lease of another, and since when it has not changed. */
  #seen: { readonly version: string | undefined; readonly since: number } | undefined
  #wantedTerm = 1
  #attempt: Promise<void> | undefined
  #cancelAttempt = (): void => {}
  #cancelExpiry = (): void => {}
  #isStopped = false

  constructor(options: ReporterLeaseOptions) {
    this.#options = options
  }

  /** Whether this replica holds the Lease, by its own clock. */
  get isHeld(): boolean {
    return this.#held !== undefined && this.#options.clock.now() < this.#held.until
  }

  toTerm({ term, isOurs }: PlaneStanding): number | undefined {
    if (!this.#held || !this.isHeld) return undefined
    const needed = Math.max(1, isOurs ? term : term + 1)
    const { leaseTransitions } = this.#held.lease.spec
    if (leaseTransitions >= needed) return leaseTransitions
    if (needed > this.#wantedTerm) {
      this.#wantedTerm = needed
      this.#schedule(0)
    }
    return undefined
  }

  start(): void {
    this.#schedule(0)
  }

  /** Lets another replica take over at once. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancelAttempt()
    this.#cancelExpiry()
    await this.#attempt
    const { leases, log } = this.#options
    const held = this.#held
    this.#held = undefined
    if (!held) return
    const { holderIdentity: _released, ...spec } = held.lease.spec
    try {
      await leases.replace({ ...held.lease, spec: { ...spec, leaseDurationSeconds: 1 } })
    } catch (error) {
      log.debug({ err: error }, 'could not give the Lease back; it runs out by itself')
    }
  }

  #schedule(delayMilliseconds: number): void {
    this.#cancelAttempt()
    if (this.#isStopped) return
    this.#cancelAttempt = this.#options.clock.after(delayMilliseconds, () => {
      this.#attempt ??= this.#attemptOnce().finally(() => (this.#attempt = undefined))
    })
  }

  async #attemptOnce(): Promise<void> {
    const { log, random } = this.#options
    let delay = renewalMilliseconds
    try {
      await this.#acquireOrRenew()
    } catch (error) {
      delay = retryMilliseconds
      log.warn({ err: error, held: this.isHeld }, 'could not ask for the Lease of the reporter')
    }
    // A term that became too low in the meantime is raised without waiting.
    const isTermLow = this.#held !== undefined && this.#held.lease.spec.leaseTransitions < this.#wantedTerm
    this.#schedule(isTermLow ? retryMilliseconds * random() : delay * (0.9 + 0.2 * random()))
  }

  async #acquireOrRenew(): Promise<void> {
    const { leases, clock } = this.#options
    const known = this.#held?.lease ?? (await leases.find(systemNamespace, reporterLease))
    const askedAt = clock.now()
    if (known && !this.#isFree(known, askedAt)) return this.#lose()
    const wanted = this.#toLease(known, askedAt)
    const kept = known ? await leases.replace(wanted) : await leases.create(wanted)
    if (kept) return this.#hold(kept, askedAt + durationSeconds * 1000)
    // Somebody else was faster: what is there now counts.
    const current = await leases.find(systemNamespace, reporterLease)
    if (current && this.#isOurs(current)) this.#held = this.#held && { ...this.#held, lease: current }
    else this.#lose()
  }

  #isOurs({ spec }: Lease): boolean {
    return spec.holderIdentity === this.#options.replica
  }

  /** Whether it may be taken: nobody holds it, or nothing has been heard of its holder for as long as it promised to be heard. */
  #isFree(known: Lease, now: number): boolean {
    const { holderIdentity = '', leaseDurationSeconds } = known.spec
    if (holderIdentity === '' || this.#isOurs(known)) return true
    if (known.metadata.resourceVersion !== this.#seen?.version || !this.#seen)
      this.#seen = { version: known.metadata.resourceVersion, since: now }
    return now >= this.#seen.since + leaseDurationSeconds * 1000
  }

  #toLease(known: Lease | undefined, now: number): Lease {
    const time = toMicroTime(now)
    const isOurs = known !== undefined && this.#isOurs(known)
    const term = isOurs ? known.spec.leaseTransitions : (known?.spec.leaseTransitions ?? 0) + 1
    return {
      metadata: known?.metadata ?? { name: reporterLease, namespace: systemNamespace, labels: agentObjectLabels },
      spec: {
        holderIdentity: this.#options.replica,
        leaseDurationSeconds: durationSeconds,
        acquireTime: (isOurs ? known.spec.acquireTime : undefined) ?? time,
        renewTime: time,
        leaseTransitions: Math.max(term, this.#wantedTerm),
      },
    }
  }

  #hold(kept: Lease, until: number): void {
    const { clock, log, onChange } = this.#options
    const before = this.#held
    const wasHeld = this.isHeld
    this.#held = { lease: kept, until }
    this.#cancelExpiry()
    this.#cancelExpiry = clock.after(until - clock.now(), () => this.#expire())
    const term = kept.spec.leaseTransitions
    if (wasHeld && before?.lease.spec.leaseTransitions === term) return
    log.info({ term }, 'this replica holds the Lease of the reporter')
    onChange()
  }

  #expire(): void {
    this.#options.log.warn('the Lease of the reporter ran out: nothing is reported until it is renewed')
    this.#options.onChange()
  }

  #lose(): void {
    if (!this.#held) return
    this.#held = undefined
    this.#cancelExpiry()
    this.#options.log.info('another replica holds the Lease of the reporter')
    this.#options.onChange()
  }
}

const toMicroTime = (milliseconds: number): string => new Date(milliseconds).toISOString().replace('Z', '000Z')
