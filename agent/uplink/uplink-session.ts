import type { Clock } from '#agent/clock.ts'
import type { Log } from '#agent/log.ts'
import type { StateStep } from '#agent/store/stored-state.ts'
import {
  planeMessage,
  UPLINK_MAX_MESSAGE_CHARS,
  UPLINK_PING,
  UPLINK_PONG,
  type AgentMessage,
  type PlaneMessage,
  type Position,
} from '#mesh/uplink.ts'
import { toAnswerParts } from './answer-parts.ts'
import { BatchAssembler } from './batch-assembler.ts'
import type { CatalogReporter } from './catalog-reporter.ts'
import { toHello, toStanding, type UplinkIdentity } from './handshake.ts'
import type { LeaseSource } from './lease-source.ts'
import type { Outbox } from './outbox.ts'
import type { PlaneReplica } from './plane-replica.ts'
import type { PublicationReporter } from './publication-reporter.ts'
import type { ReporterElection } from './reporter-election.ts'
import { SendRate } from './send-rate.ts'
import { SessionReporting } from './session-reporting.ts'
import { SilenceWatch } from './silence-watch.ts'
import type { OpenSocket, UplinkSocket } from './uplink-socket.ts'

type Of<Type extends PlaneMessage['type']> = Extract<PlaneMessage, { type: Type }>
export type RefusalCode = Of<'refused'>['code']
export type PlaneQuery = Of<'query'>['query']

/** How far a session has come: each phase waits for the plane's next word. */
export type SessionPhase = 'connecting' | 'opened' | 'greeting' | 'syncing' | 'live' | 'ended'

export interface SessionEnd {
  readonly reason: string
  readonly code?: RefusalCode
  readonly retryAfterMilliseconds?: number
  /** How long the agent was in step with the plane. */
  readonly liveMilliseconds: number
}

export interface SessionParts {
  readonly clock: Clock
  readonly log: Log
  readonly identity: UplinkIdentity
  readonly openSocket: OpenSocket
  readonly replica: PlaneReplica
  readonly reporter: CatalogReporter
  readonly publications: PublicationReporter
  readonly election: ReporterElection
  readonly outbox: Outbox
  /** The plane's state has changed by this; what is acknowledged when it returns can't be lost. */
  readonly onStep: (step: StateStep) => void
  /** The phase, the holds or what is known of the plane has changed. */
  readonly onChange: () => void
  /** What became of the objects that this cluster asks to have published may be something else now. */
  readonly onPublished: () => void
  readonly onConfirm: (hold: string) => void
  readonly onIssued: (message: Of<'issued'>) => void
  readonly onRequestRefused: (request: string, code: RefusalCode, message: string) => void
  /** What telemetry is sent to the plane with; undefined: it takes none. */
  readonly onTelemetryToken: (token: string | undefined) => void
  readonly leases: LeaseSource
  /** undefined = there is no such thing. */
  readonly answer: (query: PlaneQuery) => unknown
  readonly onEnd: (end: SessionEnd) => void
}

const maxBufferedBytes = 256 * 1024

/** One conversation with the plane, from connecting to its end. Whatever goes wrong ends it; the next one starts anew. */
export class UplinkSession {
  readonly #parts: SessionParts
  readonly #socket: UplinkSocket
  readonly #assembler = new BatchAssembler()
  readonly #rate: SendRate
  #phase: SessionPhase = 'connecting'
  #epoch = ''
  /** What the plane can take. */
  #capabilities: readonly string[] = []
  #liveSince: number | undefined
  #unacknowledged: Position | undefined
  readonly #silence: SilenceWatch
  readonly #reporting: SessionReporting
  /** Wakes the pump when a delivery summary is due, or when more may be sent. */
  #cancelWake: () => void = () => {}
  #pumping = false

  constructor(parts: SessionParts) {
    this.#parts = parts
    const { clock, log, reporter, publications, election, outbox, onPublished } = parts
    this.#rate = new SendRate(clock.now())
    this.#reporting = new SessionReporting({
      clock,
      log,
      reporter,
      publications,
      election,
      onGranted: () => {
        outbox.beginReporting()
        onPublished()
      },
      onSilence: () => this.end('a report was not acknowledged'),
    })
    this.#silence = new SilenceWatch({
      clock,
      ask: () => this.#socket.send(UPLINK_PING, () => {}),
      onSilence: (reason) => this.end(reason),
    })
    this.#silence.expectWord('the plane does not answer')
    this.#socket = parts.openSocket({
      onOpen: () => this.#enter('opened'),
      onText: (text) => this.#receive(text),
      onClose: (reason) => this.end(reason),
    })
  }

  get phase(): SessionPhase {
    return this.#phase
  }

  get lastHeardAt(): number {
    return this.#silence.heardAt
  }

  /** Ends the session from this side. */
  end(reason: string, refusal?: Of<'refused'>): void {
    if (this.#phase === 'ended') return
    const { clock, onEnd, onChange } = this.#parts
    this.#phase = 'ended'
    this.#silence.stop()
    this.#cancelWake()
    this.#reporting.stop()
    this.#parts.leases.setLive(false)
    this.#socket.close(reason)
    onChange()
    onEnd({
      reason,
      liveMilliseconds: this.#liveSince === undefined ? 0 : clock.now() - this.#liveSince,
      ...(refusal ? { code: refusal.code } : {}),
      ...(refusal?.retryAfterSeconds === undefined ? {} : { retryAfterMilliseconds: refusal.retryAfterSeconds * 1000 }),
    })
  }

  /** This replica may be the one that reports now, or not any more. */
  electionChanged(): void {
    this.#reporting.electionChanged()
    this.pump()
  }

  /** Sends what waits, as far as the connection takes it. */
  pump(): void {
    if (this.#pumping || (this.#phase !== 'syncing' && this.#phase !== 'live')) return
    this.#pumping = true
    let now = this.#parts.clock.now()
    try {
      while (this.#socket.bufferedBytes < maxBufferedBytes && this.#rate.waitMilliseconds(now) === 0) {
        const message = this.#nextMessage(now)
        if (!message) break
        this.#send(message)
        now = this.#parts.clock.now()
      }
    } finally {
      this.#pumping = false
    }
    // The same instant that was asked for messages: what falls due between two readings of the clock would wake nobody.
    this.#scheduleWake(now)
  }

  #send(message: AgentMessage): void {
    const text = JSON.stringify(message)
    this.#rate.take(text.length, this.#parts.clock.now())
    this.#socket.send(text, () => this.pump())
  }

  #nextMessage(now: number): AgentMessage | undefined {
    const { outbox } = this.#parts
    if (this.#unacknowledged) {
      const position = this.#unacknowledged
      this.#unacknowledged = undefined
      return { type: 'ack', position }
    }
    const claim = this.#reporting.nextClaim()
    if (claim) return claim
    // Until the agent is in step with the plane, what its proxies run can't be told in the plane's revisions.
    const urgent =
      this.#phase === 'live' ? (this.#nextLease() ?? outbox.nextUrgent(now) ?? this.#nextTrust(now)) : undefined
    if (urgent) return urgent
    const chunk = this.#reporting.nextChunk()
    if (chunk || this.#phase !== 'live') return chunk
    return this.#nextObjectProblems() ?? outbox.nextAnswer()
  }

  #nextTrust(now: number): AgentMessage | undefined {
    return this.#tellsTrust ? this.#parts.outbox.nextTrust(now) : undefined
  }

  #nextLease(): AgentMessage | undefined {
    const asks = this.#leases ? this.#parts.leases.nextAsks() : undefined
    return asks && { type: 'lease', asks: [...asks] }
  }

  get #leases(): boolean {
    return this.#capabilities.includes('leases')
  }

  get #tellsTrust(): boolean {
    return this.#capabilities.includes('trust-report')
  }

  #nextObjectProblems(): AgentMessage | undefined {
    const { reporter, outbox } = this.#parts
    if (!reporter.reporting || !this.#capabilities.includes('object-problems')) return undefined
    return outbox.nextObjectProblems(this.#capabilities.includes('objects-judged'))
  }

  #scheduleWake(now: number): void {
    const { clock, outbox } = this.#parts
    this.#cancelWake()
    if (this.#phase === 'ended') return
    const dueAt =
      this.#phase === 'live'
        ? [
            outbox.deliveryDueAt,
            this.#tellsTrust ? outbox.trustDueAt : undefined,
            this.#leases ? this.#parts.leases.dueAt : undefined,
          ]
        : []
    const waits = [
      this.#rate.waitMilliseconds(now),
      ...dueAt.flatMap((at) => (at === undefined ? [] : [at - now])),
    ].filter((wait) => wait > 0)
    if (waits.length > 0) this.#cancelWake = clock.after(Math.min(...waits), () => this.pump())
  }

  #enter(phase: SessionPhase): void {
    const { clock, onChange } = this.#parts
    if (this.#phase === 'ended') return
    this.#phase = phase
    this.#silence.heard()
    if (phase === 'opened' || phase === 'greeting') this.#silence.expectWord(`the plane said nothing while ${phase}`)
    else this.#silence.askWhenIdle()
    if (phase === 'live') {
      this.#liveSince = clock.now()
      this.#parts.leases.setLive(this.#leases)
    }
    onChange()
    this.pump()
  }

  #receive(text: string): void {
    if (this.#phase === 'ended') return
    this.#silence.heard()
    if (text === UPLINK_PONG) return
    const message = text.length > UPLINK_MAX_MESSAGE_CHARS ? undefined : parseMessage(text)
    if (!message) {
      this.end('the plane sent something that is no message of this protocol')
      return
    }
    this.#handle(message)
    this.pump()
  }

  #handle(message: PlaneMessage): void {
    if (message.type === 'refused') this.#onRefused(message)
    else if (message.type === 'challenge') this.#onChallenge(message)
    else if (message.type === 'welcome') this.#onWelcome(message)
    else if (this.#phase === 'syncing' || this.#phase === 'live') this.#handleEstablished(message)
    else this.end(`the plane sent ${message.type} while ${this.#phase}`)
  }

  #handleEstablished(message: Exclude<PlaneMessage, Of<'refused' | 'challenge' | 'welcome'>>): void {
    const { publications, outbox, log, answer, onIssued, onPublished, onTelemetryToken, leases } = this.#parts
    switch (message.type) {
      case 'changes':
        this.#onChanges(message)
        break
      case 'claimed':
        this.#reporting.claimed(message, this.#capabilities.includes('publish'))
        break
      case 'vacancy':
        this.#reporting.vacant(message.term)
        break
      case 'report-ack':
        this.#reporting.acknowledged(message.position)
        break
      case 'report-held':
        log.warn({ hold: message.hold, reason: message.reason }, 'the plane holds a report until a person confirms it')
        this.#reporting.held(message.position)
        break
      case 'publish-ack':
        this.#reporting.publishAcknowledged(message.position)
        break
      case 'published':
        publications.hear(message)
        if (!message.more) onPublished()
        break
      case 'issued':
        onIssued(message)
        break
      case 'telemetry-token':
        onTelemetryToken(message.token)
        break
      case 'leases':
        leases.take(message.replicas, message.grants)
        break
      case 'query':
        if (!outbox.answer(toAnswerParts(message.request, answer(message.query))))
          log.warn({ request: message.request }, 'too many queries wait: one is not answered')
        break
      case 'confirm':
        this.#onConfirm(message.hold)
        break
    }
  }

  #onChallenge(challenge: Of<'challenge'>): void {
    const { identity, replica } = this.#parts
    if (this.#phase !== 'opened') {
      this.end(`the plane sent challenge while ${this.#phase}`)
      return
    }
    this.#capabilities = challenge.capabilities
    if (!challenge.capabilities.includes('telemetry')) this.#parts.onTelemetryToken(undefined)
    this.#send(toHello(challenge, identity, replica.heardUpTo))
    this.#enter('greeting')
  }

  #onWelcome(welcome: Of<'welcome'>): void {
    const { clock, identity, replica, outbox, log } = this.#parts
    const { epoch, sync, reporter, session } = welcome
    if (this.#phase !== 'greeting') {
      this.end(`the plane sent welcome while ${this.#phase}`)
      return
    }
    if (sync === 'resume' && replica.position?.epoch !== epoch) {
      this.end('the plane wants to go on from a history that is not held')
      return
    }
    log.info({ session, sync, epoch, reporter: reporter.replica }, 'uplink established')
    this.#epoch = epoch
    this.#reporting.begin(toStanding(welcome, identity))
    outbox.beginSession(clock.now())
    if (sync === 'resume') replica.resume()
    this.#enter(sync === 'resume' ? 'live' : 'syncing')
  }

  #onChanges(message: Of<'changes'>): void {
    const { replica, onStep, onChange } = this.#parts
    if (message.position.epoch !== this.#epoch || (this.#phase === 'syncing' && message.mode !== 'snapshot')) {
      this.end('the plane sent changes of another history than it said')
      return
    }
    const assembled = this.#assembler.add(message)
    if (assembled.kind === 'invalid') this.end('the plane sent chunks that do not belong together')
    if (assembled.kind !== 'whole') return
    const reception = replica.receive(assembled.batch)
    if (reception.kind === 'desynchronised') {
      this.end(reception.reason)
      return
    }
    if (reception.kind === 'applied') {
      onStep(reception.step)
      this.#unacknowledged = assembled.batch.position
    }
    if (this.#phase === 'syncing') this.#enter('live')
    else onChange()
  }

  #onConfirm(hold: string): void {
    const { replica, onStep, onConfirm, onChange, log } = this.#parts
    log.info({ hold }, 'a person confirmed what was held')
    const step = replica.confirm(hold)
    if (step) {
      onStep(step)
      this.#unacknowledged = replica.position ?? undefined
    }
    onConfirm(hold)
    onChange()
  }

  #onRefused(message: Of<'refused'>): void {
    const { log, onRequestRefused } = this.#parts
    const { code, request } = message
    log.warn({ code, request, reason: message.message }, 'the plane refused')
    if (code === 'stale_term') {
      this.#reporting.superseded()
    } else if (request !== undefined) onRequestRefused(request, code, message.message)
    else this.end(`refused: ${code}: ${message.message}`, message)
  }
}

const parseMessage = (text: string): PlaneMessage | undefined => {
  try {
    return planeMessage.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}
