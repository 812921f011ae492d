import type { Clock } from '#agent/clock.ts'
import type { Log } from '#agent/log.ts'
import type { AgentMessage, PlaneMessage, ReportPosition } from '#mesh/uplink.ts'
import type { CatalogReporter } from './catalog-reporter.ts'
import { ChunkSender } from './chunk-sender.ts'
import type { PublicationReporter } from './publication-reporter.ts'
import { toReportChunks } from './report-chunks.ts'
import type { PlaneStanding, ReporterElection } from './reporter-election.ts'

export interface SessionReportingParts {
  readonly clock: Clock
  readonly log: Log
  readonly reporter: CatalogReporter
  readonly publications: PublicationReporter
  readonly election: ReporterElection
  /** This replica reports from now on. */
  readonly onGranted: () => void
  /** What was said was not acknowledged in time. */
  readonly onSilence: () => void
}

/** What one session tells of the cluster: whether this replica may, and what of it is on the way. */
export class SessionReporting {
  readonly #parts: SessionReportingParts
  readonly #reports: ChunkSender
  readonly #publishing: ChunkSender
  #standing: PlaneStanding | undefined
  /** The term whose claim is under way. */
  #claimedTerm: number | undefined

  constructor(parts: SessionReportingParts) {
    const { clock, log, reporter, publications, onSilence } = parts
    this.#parts = parts
    this.#reports = new ChunkSender({
      clock,
      begin: () => {
        const report = reporter.next()
        return (
          report &&
          toReportChunks(report, (cut) => log.error(cut, 'more than the plane takes: the rest is not reported'))
        )
      },
      onSilence,
    })
    this.#publishing = new ChunkSender({ clock, begin: () => publications.next(), onSilence })
  }

  /** The plane said where things stand. */
  begin(standing: PlaneStanding): void {
    this.#standing = standing
  }

  /** This replica may be the one that reports now, or not any more. */
  electionChanged(): void {
    const { reporter, election } = this.#parts
    if (reporter.reporting && this.#standing && election.toTerm(this.#standing) === undefined) this.stop()
  }

  nextClaim(): AgentMessage | undefined {
    const { reporter, election } = this.#parts
    if (!this.#standing || !reporter.isReady || reporter.reporting || this.#claimedTerm !== undefined) return undefined
    this.#claimedTerm = election.toTerm(this.#standing)
    return this.#claimedTerm === undefined ? undefined : { type: 'claim', term: this.#claimedTerm }
  }

  nextChunk(): AgentMessage | undefined {
    return this.#reports.next() ?? this.#publishing.next()
  }

  claimed(message: Extract<PlaneMessage, { type: 'claimed' }>, takesPublished: boolean): void {
    const { reporter, publications, log, onGranted } = this.#parts
    const { term, granted, reported, published } = message
    const isOurs = term === this.#claimedTerm && granted
    this.#claimedTerm = undefined
    this.#standing = { term, isOurs, isVacant: false }
    this.stop()
    if (isOurs) {
      reporter.grant(term, reported)
      publications.grant(term, published, takesPublished)
      onGranted()
    } else log.info({ term }, 'another replica reports for this cluster')
    // Who may report can have changed while the claim was under way.
    this.electionChanged()
  }

  vacant(term: number): void {
    if (!this.#parts.reporter.reporting) this.#standing = { term, isOurs: false, isVacant: true }
  }

  /** The plane takes nothing under this replica's term any more. */
  superseded(): void {
    this.stop()
    this.#standing = this.#standing && { ...this.#standing, isOurs: false, isVacant: false }
  }

  acknowledged(position: ReportPosition): void {
    this.#parts.reporter.acknowledge(position)
    this.#settleReports()
  }

  held(position: ReportPosition): void {
    this.#parts.reporter.putAside(position)
    this.#settleReports()
  }

  publishAcknowledged(position: ReportPosition): void {
    const { publications } = this.#parts
    publications.acknowledge(position)
    if (!publications.waiting) this.#publishing.settle()
  }

  stop(): void {
    this.#reports.stop()
    this.#publishing.stop()
    this.#parts.reporter.revoke()
    this.#parts.publications.revoke()
  }

  #settleReports(): void {
    if (!this.#parts.reporter.waiting) this.#reports.settle()
  }
}
