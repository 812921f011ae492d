import { isEqualData } from '#mesh/merge/equal-data.ts'
import type { TrustReport } from '#mesh/trust.ts'
import type { AgentMessage, Delivery, Hold, ObjectProblems } from '#mesh/uplink.ts'

export type ProbeResults = Extract<AgentMessage, { type: 'probes' }>['results']

const deliveryIntervalMilliseconds = 1000
/** Most proxies answer a push within this time: the first summary after a quiet time then tells the end and not the beginning. */
const deliverySettleMilliseconds = 25
const maxAnswers = 8
const maxCertificateRequests = 4

/**
 * What waits to be sent, beside the catalog. Of everything that is a state only the latest is kept; what is a question or an answer
 * is limited in number. A new session is told all of it again.
 */
export class Outbox {
  #holds: readonly Hold[] = []
  readonly #summarise: () => Delivery | undefined
  readonly #reportTrust: () => TrustReport | undefined
  #probes: ProbeResults | undefined
  readonly #certificateRequests = new Map<string, string>()
  #answers: Generator<AgentMessage>[] = []

  #objectProblems: Omit<ObjectProblems, 'revision'> | undefined
  /** The revision that goes with it, … */
  #judgedRevision: number | undefined
  /** … and the one that was last told. */
  #toldRevision: number | undefined

  #holdsUnsent = false
  #objectProblemsUnsent = false
  #deliverySince: number | undefined
  #deliverySentAt = 0
  #probesUnsent = false
  /** Since when something may be otherwise with the trust; undefined = nothing is. */
  #trustSince: number | undefined
  #trustSentAt = 0
  #trustSent: TrustReport | undefined
  #unsentRequests: string[] = []

  /**
   * `summarise` is asked when a summary is about to be sent; undefined = none is to be sent before `deliveryChanged`. So is `reportTrust`, with
   * `trustChanged`.
   */
  constructor(summarise: () => Delivery | undefined, reportTrust: () => TrustReport | undefined = () => undefined) {
    this.#summarise = summarise
    this.#reportTrust = reportTrust
  }

  /** Everything is unsent on a new session; answers belonged to the one before. */
  beginSession(now: number): void {
    this.#holdsUnsent = true
    this.#deliverySince = now
    this.#deliverySentAt = 0
    this.#probesUnsent = this.#probes !== undefined
    this.#trustSince = now
    this.#trustSentAt = 0
    this.#trustSent = undefined
    this.#unsentRequests = [...this.#certificateRequests.keys()]
    this.#answers = []
    this.beginReporting()
  }

  /** What only the reporter says was last said by another, or never. */
  beginReporting(): void {
    this.#objectProblemsUnsent = this.#objectProblems !== undefined
  }

  setHolds(holds: readonly Hold[]): void {
    this.#holds = holds
    this.#holdsUnsent = true
  }

  deliveryChanged(now: number): void {
    this.#deliverySince ??= now
    // A clock that was set back must not put the summary off.
    this.#deliverySince = Math.min(this.#deliverySince, now)
    this.#deliverySentAt = Math.min(this.#deliverySentAt, now)
  }

  trustChanged(now: number): void {
    this.#trustSince = Math.min(this.#trustSince ?? now, now)
    this.#trustSentAt = Math.min(this.#trustSentAt, now)
  }

  setProbes(results: ProbeResults): void {
    this.#probes = results
    this.#probesUnsent = true
  }

  setObjectProblems({ revision, ...problems }: ObjectProblems): void {
    this.#judgedRevision = revision
    if (isEqualData(problems, this.#objectProblems)) return
    this.#objectProblems = problems
    this.#objectProblemsUnsent = true
  }

  /** Asked again on every session until `settleCertificateRequest`. False when too many wait. */
  requestCertificate(request: string, csrPem: string): boolean {
    if (this.#certificateRequests.size >= maxCertificateRequests) return false
    this.#certificateRequests.set(request, csrPem)
    this.#unsentRequests.push(request)
    return true
  }

  settleCertificateRequest(request: string): void {
    this.#certificateRequests.delete(request)
  }

  /** False when too many answers wait already. */
  answer(parts: Generator<AgentMessage>): boolean {
    if (this.#answers.length >= maxAnswers) return false
    this.#answers.push(parts)
    return true
  }

  /** How many messages or streams of messages wait. */
  get length(): number {
    const states = [this.#holdsUnsent, this.#deliverySince !== undefined, this.#probesUnsent].filter(Boolean).length
    return states + this.#unsentRequests.length + this.#answers.length
  }

  /** When a delivery summary that waits may be sent; undefined = none waits. */
  get deliveryDueAt(): number | undefined {
    if (this.#deliverySince === undefined) return undefined
    return Math.max(
      this.#deliverySince + deliverySettleMilliseconds,
      this.#deliverySentAt + deliveryIntervalMilliseconds,
    )
  }

  /** When what is told of the trust may be sent; undefined = there is nothing new. */
  get trustDueAt(): number | undefined {
    if (this.#trustSince === undefined) return undefined
    return Math.max(this.#trustSince + deliverySettleMilliseconds, this.#trustSentAt + deliveryIntervalMilliseconds)
  }

  /** How far the proxies are with the trust, where that is something else than what was told. */
  nextTrust(now: number): AgentMessage | undefined {
    const dueAt = this.trustDueAt
    if (dueAt === undefined || now < dueAt) return undefined
    this.#trustSince = undefined
    const report = this.#reportTrust()
    if (!report || isEqualData(report, this.#trustSent)) return undefined
    this.#trustSentAt = now
    this.#trustSent = report
    return { type: 'trust', report }
  }

  /** The next thing that is more urgent than the catalog. */
  nextUrgent(now: number): AgentMessage | undefined {
    if (this.#holdsUnsent) {
      this.#holdsUnsent = false
      return { type: 'holds', holds: [...this.#holds] }
    }
    for (let request = this.#unsentRequests.shift(); request !== undefined; request = this.#unsentRequests.shift()) {
      const csrPem = this.#certificateRequests.get(request)
      if (csrPem !== undefined) return { type: 'csr', request, csrPem }
    }
    const dueAt = this.deliveryDueAt
    if (dueAt !== undefined && now >= dueAt) {
      this.#deliverySince = undefined
      const delivery = this.#summarise()
      if (delivery) {
        this.#deliverySentAt = now
        return { type: 'delivery', delivery }
      }
    }
    if (this.#probes && this.#probesUnsent) {
      this.#probesUnsent = false
      return { type: 'probes', results: this.#probes }
    }
    return undefined
  }

  /** What the reporter is to say of objects. `knowsJudged` = the plane takes a revision without saying all again. */
  nextObjectProblems(knowsJudged: boolean): AgentMessage | undefined {
    const problems = this.#objectProblems
    const revision = this.#judgedRevision
    const isUnsent = this.#objectProblemsUnsent
    // When it was that nothing was wrong is asked by nobody.
    const isJudgedAnew = revision !== this.#toldRevision && problems?.problems.length !== 0
    if (!problems || (!isUnsent && !isJudgedAnew)) return undefined
    this.#objectProblemsUnsent = false
    this.#toldRevision = revision
    if (revision === undefined) return { type: 'object-problems', ...problems }
    return isUnsent || !knowsJudged
      ? { type: 'object-problems', ...problems, revision }
      : { type: 'objects-judged', revision }
  }

  /** The next part of an answer, one answer after the other. */
  nextAnswer(): AgentMessage | undefined {
    for (;;) {
      const [current] = this.#answers
      if (!current) return undefined
      const part = current.next()
      if (!part.done) return part.value
      this.#answers.shift()
    }
  }
}
