import { randomUUID } from 'node:crypto'
import type { Clock } from '#agent/clock.ts'
import type { Log } from '#agent/log.ts'
import type { StateStep } from '#agent/store/stored-state.ts'
import type { ConfigObject } from '#mesh/config-object.ts'
import { isEqualData } from '#mesh/merge/equal-data.ts'
import type { ServiceKey } from '#mesh/names.ts'
import type { CatalogEntry } from '#mesh/service.ts'
import type { TrustReport } from '#mesh/trust.ts'
import type { Delivery, Hold, ObjectProblems, Position } from '#mesh/uplink.ts'
import { toBackoffMilliseconds } from './backoff.ts'
import type { CatalogReporter, ClusterFacts } from './catalog-reporter.ts'
import type { UplinkIdentity } from './handshake.ts'
import type { LeaseSource } from './lease-source.ts'
import { Outbox, type ProbeResults } from './outbox.ts'
import type { PlaneReplica } from './plane-replica.ts'
import type { PublicationReporter } from './publication-reporter.ts'
import type { ReporterElection } from './reporter-election.ts'
import { UplinkSession, type PlaneQuery, type RefusalCode, type SessionEnd } from './uplink-session.ts'
import type { OpenSocket } from './uplink-socket.ts'

export interface UplinkOptions {
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly log: Log
  readonly identity: UplinkIdentity
  readonly openSocket: OpenSocket
  readonly replica: PlaneReplica
  readonly reporter: CatalogReporter
  readonly publications: PublicationReporter
  /** What became of the objects that this cluster asks to have published may be something else now. */
  readonly onPublished: () => void
  readonly election: ReporterElection
  /** Holds back what the registry would lose, before it comes to `updateCatalog`. */
  readonly removals: { readonly hold: Hold | undefined; confirm(hold: string): void }
  /** The plane's state has changed by this; what is acknowledged when it returns can't be lost. */
  readonly onStep: (step: StateStep) => void
  /** undefined = there is nothing to tell yet. */
  readonly summariseDelivery: () => Delivery | undefined
  /** undefined = there is nothing to tell yet. */
  readonly reportTrust: () => TrustReport | undefined
  /** What telemetry is sent to the plane with from now on; undefined: it takes none. */
  readonly onTelemetryToken: (token: string | undefined) => void
  readonly leases: LeaseSource
  /** undefined = there is no such thing. */
  readonly answer: (query: PlaneQuery) => unknown
}

export interface IssuedCertificate {
  readonly certificatePem: string
  readonly rootsPem: readonly string[]
}

export interface UplinkStatus {
  /** In step with the plane; changes arrive as they happen. */
  readonly live: boolean
  readonly phase: UplinkSession['phase'] | 'waiting'
  readonly position: Position | null
  readonly revision: number
  /**
   * When the held state was last known to be the plane's: now, on a session that is in step with it (one that is silent for too long ends), or
   * else when it was last heard or changed the state. Milliseconds since the epoch, 0 = never.
   */
  readonly asOf: number
  readonly reporting: boolean
  readonly holds: readonly Hold[]
  /** Messages that wait to be sent. */
  readonly queued: number
  /** Attempts since the last session that held. */
  readonly failures: number
  readonly lastFailure: string | undefined
  /** What the plane refused the last time that it had an answer, until it takes this agent. */
  readonly refusal: RefusalCode | undefined
}

const steadyMilliseconds = 5000
const certificateDeadlineMilliseconds = 10 * 60_000
/** Refusals that the next attempt will most likely meet again: no hurry. */
const lastingRefusals: ReadonlySet<RefusalCode> = new Set([
  'unknown_cluster',
  'evicted',
  'bad_signature',
  'protocol_too_new',
  'protocol_too_old',
  'replaced',
  'too_large',
])
const lastingRefusalAttempt = 6

/**
 * The agent's side of the uplink: one session after the other for as long as it runs. A session that ends, is refused or never comes
 * about changes nothing of what the agent holds.
 */
export class Uplink {
  readonly #options: UplinkOptions
  readonly #outbox: Outbox
  readonly #certificates = new Map<
    string,
    { resolve: (issued: IssuedCertificate) => void; reject: (error: Error) => void }
  >()
  #session: UplinkSession | undefined
  #cancelRetry: (() => void) | undefined
  #running = false
  #failures = 0
  #lastFailure: string | undefined
  #refusal: RefusalCode | undefined
  #asOf: number
  #holds: readonly Hold[] = []

  constructor(options: UplinkOptions) {
    this.#options = options
    this.#outbox = new Outbox(
      () => this.#toPlanesTerms(options.summariseDelivery()),
      // While the plane's history is held off, its versions are those of another.
      () => (options.replica.hold ? undefined : options.reportTrust()),
    )
    this.#asOf = options.replica.receivedAt
  }

  start(): void {
    this.#running = true
    this.#connect()
  }

  stop(): void {
    this.#running = false
    this.#cancelRetry?.()
    this.#session?.end('the agent stops')
  }

  /** `confirmed`: the hold by which a person agreed to what goes. */
  updateCatalog(upserts: readonly CatalogEntry[], removes: readonly ServiceKey[], confirmed?: string): void {
    this.#options.reporter.update(upserts, removes, confirmed)
    this.#refresh()
  }

  /** The cluster's own configuration objects, by key; null = gone. */
  updateObjects(changes: readonly (readonly [string, ConfigObject | null])[]): void {
    this.#options.publications.update(changes)
    this.#refresh()
  }

  updateFacts(facts: Partial<ClusterFacts>): void {
    this.#options.reporter.updateFacts(facts)
    this.#refresh()
  }

  /** The whole registry has been read. */
  registrySynced(): void {
    this.#options.reporter.ready()
    this.#refresh()
  }

  /** What the election says has changed. */
  electionChanged(): void {
    this.#session?.electionChanged()
  }

  /** What `summariseDelivery` says has changed. Called as often as one likes. */
  deliveryChanged(): void {
    this.#outbox.deliveryChanged(this.#options.clock.now())
    this.#session?.pump()
  }

  /** What `reportTrust` says has changed. Called as often as one likes. */
  trustChanged(): void {
    this.#outbox.trustChanged(this.#options.clock.now())
    this.#session?.pump()
  }

  /** What `leases` has to ask is due. Called often. */
  leasesDue(): void {
    this.#session?.pump()
  }

  setProbes(results: ProbeResults): void {
    this.#outbox.setProbes(results)
    this.#session?.pump()
  }

  /** Told by the reporter, when it is another than before. */
  setObjectProblems(problems: ObjectProblems): void {
    this.#outbox.setObjectProblems(problems)
    this.#session?.pump()
  }

  /** Has the plane sign a certificate for this cluster's next intermediate key. Rejects when it refuses or does not answer in ten minutes. */
  requestCertificate(csrPem: string): Promise<IssuedCertificate> {
    const request = randomUUID()
    return new Promise((resolve, reject) => {
      if (!this.#outbox.requestCertificate(request, csrPem)) {
        reject(new Error('too many certificate requests wait for the plane'))
        return
      }
      const cancel = this.#options.clock.after(certificateDeadlineMilliseconds, () =>
        this.#settle(request)?.reject(new Error('the plane did not answer the certificate request')),
      )
      this.#certificates.set(request, {
        resolve: (issued) => {
          cancel()
          resolve(issued)
        },
        reject: (error) => {
          cancel()
          reject(error)
        },
      })
      this.#session?.pump()
    })
  }

  get status(): UplinkStatus {
    const { replica, reporter } = this.#options
    const phase = this.#session?.phase ?? 'waiting'
    return {
      live: phase === 'live',
      phase,
      position: replica.position,
      revision: replica.revision,
      asOf: this.#currentAsOf(),
      reporting: reporter.reporting,
      holds: this.#holds,
      queued: this.#outbox.length + (reporter.waiting ? 1 : 0),
      failures: this.#failures,
      lastFailure: this.#lastFailure,
      refusal: this.#refusal,
    }
  }

  #connect(): void {
    const { clock, log, identity, openSocket, replica, reporter, election, removals, onStep, answer } = this.#options
    const { publications, onPublished, onTelemetryToken, leases } = this.#options
    this.#session = new UplinkSession({
      clock,
      log,
      identity,
      openSocket,
      replica,
      reporter,
      publications,
      onPublished,
      onTelemetryToken,
      leases,
      election,
      outbox: this.#outbox,
      onStep,
      answer,
      onChange: () => this.#refresh(),
      onConfirm: (hold) => removals.confirm(hold),
      onIssued: ({ request, certificatePem, rootsPem }) => this.#settle(request)?.resolve({ certificatePem, rootsPem }),
      onRequestRefused: (request, code, message) => this.#settle(request)?.reject(new Error(`${code}: ${message}`)),
      onEnd: (end) => this.#onEnd(end),
    })
  }

  #onEnd(end: SessionEnd): void {
    const { clock, log, random, replica } = this.#options
    if (end.liveMilliseconds > 0 && !replica.hold) this.#asOf = Math.max(this.#asOf, this.#session?.lastHeardAt ?? 0)
    this.#session = undefined
    this.#lastFailure = end.reason
    // A plane that can't be reached takes nothing back of what it said.
    if (end.code) this.#refusal = end.code
    this.#failures = end.liveMilliseconds >= steadyMilliseconds ? 0 : this.#failures + 1
    if (!this.#running) return
    const attempt =
      end.code && lastingRefusals.has(end.code) ? Math.max(this.#failures, lastingRefusalAttempt) : this.#failures
    const delayMilliseconds = Math.max(end.retryAfterMilliseconds ?? 0, toBackoffMilliseconds(attempt, random()))
    log.warn(
      { reason: end.reason, retryInMilliseconds: delayMilliseconds },
      'uplink ended; the cluster goes on with what it has',
    )
    this.#cancelRetry = clock.after(delayMilliseconds, () => this.#connect())
  }

  #currentAsOf(): number {
    const { replica, clock } = this.#options
    if (this.#session?.phase === 'live' && !replica.hold) return clock.now()
    return Math.max(this.#asOf, replica.receivedAt)
  }

  #refresh(): void {
    const { replica, removals, log } = this.#options
    if (this.#session?.phase === 'live') this.#refusal = undefined
    const holds = [replica.hold, removals.hold].filter((hold) => hold !== undefined)
    const known = new Set(this.#holds.map(({ id }) => id))
    for (const { id, kind, reason } of holds)
      if (!known.has(id)) log.error({ hold: id, kind, reason }, 'held until a person confirms it')
    const changed = !isEqualData(holds, this.#holds)
    this.#holds = holds
    if (changed) {
      this.#outbox.setHolds(holds)
      this.#outbox.deliveryChanged(this.#options.clock.now())
      this.#outbox.trustChanged(this.#options.clock.now())
    }
    this.#session?.pump()
  }

  /** While the plane's history is held off, none of its revisions is live here: the numbers are those of another history. */
  #toPlanesTerms(delivery: Delivery | undefined): Delivery | undefined {
    if (!delivery || !this.#options.replica.hold) return delivery
    return { ...delivery, compiled: 0, live: [{ revision: 0, proxies: delivery.proxies }], laggards: [], nacks: [] }
  }

  #settle(request: string) {
    const waiting = this.#certificates.get(request)
    this.#certificates.delete(request)
    this.#outbox.settleCertificateRequest(request)
    return waiting
  }
}
