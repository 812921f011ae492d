import type { AgentMessage, Delivery, Hold } from '#mesh/uplink.ts'

export type ProbeResults = Extract<AgentMessage, { type: 'probes' }>['results']

const deliveryIntervalMilliseconds = 1000
const maxAnswers = 8
const maxCertificateRequests = 4

/**
 * What waits to be sent, beside the catalog. Of everything that is a state only the latest is kept; what is a question or an answer
 * is limited in number. A new session is told all of it again.
 */
export class Outbox {
  #holds: readonly Hold[] = []
  #delivery: Delivery | undefined
  #probes: ProbeResults | undefined
  readonly #certificateRequests = new Map<string, string>()
  #answers: Generator<AgentMessage>[] = []

  #holdsUnsent = false
  #deliveryUnsent = false
  #probesUnsent = false
  #unsentRequests: string[] = []
  #deliveryDueAt = 0

  /** Everything is unsent on a new session; answers belonged to the one before. */
  beginSession(): void {
    this.#holdsUnsent = true
    this.#deliveryUnsent = this.#delivery !== undefined
    this.#probesUnsent = this.#probes !== undefined
    this.#unsentRequests = [...this.#certificateRequests.keys()]
    this.#answers = []
    this.#deliveryDueAt = 0
  }

  setHolds(holds: readonly Hold[]): void {
    this.#holds = holds
    this.#holdsUnsent = true
  }

  setDelivery(delivery: Delivery): void {
    this.#delivery = delivery
    this.#deliveryUnsent = true
  }

  setProbes(results: ProbeResults): void {
    this.#probes = results
    this.#probesUnsent = true
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
    const states = [this.#holdsUnsent, this.#deliveryUnsent, this.#probesUnsent].filter(Boolean).length
    return states + this.#unsentRequests.length + this.#answers.length
  }

  /** When a delivery summary that waits may be sent; undefined = none waits. */
  get deliveryDueAt(): number | undefined {
    return this.#deliveryUnsent ? this.#deliveryDueAt : undefined
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
    if (this.#delivery && this.#deliveryUnsent && now >= this.#deliveryDueAt) {
      this.#deliveryUnsent = false
      this.#deliveryDueAt = now + deliveryIntervalMilliseconds
      return { type: 'delivery', delivery: this.#delivery }
    }
    if (this.#probes && this.#probesUnsent) {
      this.#probesUnsent = false
      return { type: 'probes', results: this.#probes }
    }
    return undefined
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
