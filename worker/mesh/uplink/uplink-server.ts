import { parseJson } from '#mesh/parse-json.ts'
import { agentMessage, UPLINK_CAPABILITIES, UPLINK_MAX_MESSAGE_CHARS, UPLINK_PROTOCOL } from '#mesh/uplink.ts'
import type { AgentMessage } from '#mesh/uplink.ts'
import { toBase64Url } from '../../encode-bytes.ts'
import { newId } from '../../secret-token.ts'
import type { AuditClient } from '../../audit/client.ts'
import type { Initiator } from '../audit.ts'
import { findMember } from '../clusters.ts'
import type { MeshContext } from '../context.ts'
import { followAgent, toResumption } from '../epoch.ts'
import { readMeshRow } from '../mesh-row.ts'
import { dropChunks } from '../report-chunks.ts'
import type { AgentQueries } from './agent-queries.ts'
import type { FanOut } from './fan-out.ts'
import { judgeHello } from './hello.ts'
import type { Hello, UplinkRefusal } from './hello.ts'
import { UplinkRateLimit } from './rate-limit.ts'
import { sendMessage } from './session.ts'
import type { Greeting, Session } from './session.ts'
import type { Sessions } from './sessions.ts'

export const MAX_SESSIONS = 1_000
/** Of one cluster, so that none can take the room of all others. */
const MAX_SESSIONS_PER_CLUSTER = 32
/** Sockets that have not said hello. Agents do at once: when there are more, the oldest goes, whoever that is. */
const MAX_GREETING = 200
/** Messages of one socket that wait for the one before them; more are not taken. */
const MAX_WAITING_MESSAGES = 256
/** RFC 6455 §7.4.1: policy violation; going away. */
const POLICY_VIOLATION = 1008
const GOING_AWAY = 1001

const tooMany: UplinkRefusal = { code: 'rate_limited', message: 'too many messages' }

/** What an established session's messages do: worker/mesh/uplink/session-messages.ts. */
export type HandleMessage = (
  session: Session,
  message: Exclude<AgentMessage, { type: 'hello' }>,
) => Promise<UplinkRefusal | void>

export interface UplinkParts {
  readonly context: MeshContext
  readonly sessions: Sessions
  readonly fanOut: FanOut
  readonly queries: AgentQueries
  readonly handle: HandleMessage
  /** An agent came or went. */
  readonly onPresence: () => void
  /** A session has begun: whatever else is to be told it. */
  readonly onWelcome: () => Promise<void>
}

/** What is only needed while messages come in; an object that wakes up begins anew with it. */
interface Flow {
  readonly rate: UplinkRateLimit
  /** Messages of one socket are handled one after the other, whatever they wait for. */
  tail: Promise<void>
  waiting: number
}

/** The plane's end of the uplinks: challenge, hello, and then the session's messages in their order. */
export class UplinkServer {
  readonly #parts: UplinkParts
  readonly #flows = new WeakMap<WebSocket, Flow>()

  constructor(parts: UplinkParts) {
    this.#parts = parts
  }

  /** A new socket: it is challenged. Answers false when there are too many sessions. */
  open(socket: WebSocket, client: AuditClient): boolean {
    const { context, sessions } = this.#parts
    if (sessions.open().length >= MAX_SESSIONS) return false
    const greeting = sessions.all().filter(({ state }) => state.phase === 'greeting')
    const [oldest] = greeting
    if (oldest && greeting.length >= MAX_GREETING) this.end(oldest.socket, 'too many sockets')
    const nonce = toBase64Url(context.random(32))
    sessions.set(socket, { phase: 'greeting', id: newId(context.random), openedAt: context.now(), nonce, client })
    sendMessage(socket, { type: 'challenge', nonce, protocol: UPLINK_PROTOCOL, capabilities: [...UPLINK_CAPABILITIES] })
    return true
  }

  receive(socket: WebSocket, text: string | ArrayBuffer): Promise<void> {
    const { context } = this.#parts
    const flow = this.#flowOf(socket)
    if (typeof text !== 'string') return this.#refuse(socket, { code: 'bad_message', message: 'messages are text' })
    if (text.length > UPLINK_MAX_MESSAGE_CHARS) {
      return this.#refuse(socket, {
        code: 'too_large',
        message: `a message has ${UPLINK_MAX_MESSAGE_CHARS} characters at most`,
      })
    }
    if (flow.waiting >= MAX_WAITING_MESSAGES || !flow.rate.allows(text.length, context.now())) {
      return this.#refuse(socket, tooMany, 10)
    }
    flow.waiting += 1
    flow.tail = flow.tail
      .then(() => this.#take(socket, text))
      .catch((error: unknown) => {
        void this.#refuse(socket, { code: 'internal', message: 'the plane failed on this message' }, 5)
        throw error
      })
      .finally(() => {
        flow.waiting -= 1
      })
    return flow.tail
  }

  /** The socket has ended, or is to be treated so. */
  closed(socket: WebSocket): void {
    const { context, sessions, queries, fanOut, onPresence } = this.#parts
    const state = sessions.find(socket)
    sessions.remove(socket)
    queries.drop(socket)
    if (state?.phase !== 'open') return
    context.transaction(() => {
      dropChunks(context.sql, state.cluster, state.id)
      context.sql.exec(
        'UPDATE clusters SET last_seen_at = ?, delivery = coalesce(?, delivery) WHERE name = ?',
        context.now(),
        state.delivery && JSON.stringify(state.delivery),
        state.cluster,
      )
    })
    onPresence()
    if (state.reporting) {
      const term = findMember(context.sql, state.cluster)?.term
      if (term !== undefined)
        for (const other of sessions.ofCluster(state.cluster)) sendMessage(other.socket, { type: 'vacancy', term })
    }
    if (state.bulkChars > 0) fanOut.wake()
  }

  /** Ends a session from this side. `refusal` tells the agent why; without one it comes back at once. */
  end(socket: WebSocket, reason: string, refusal?: UplinkRefusal): void {
    if (refusal) sendMessage(socket, { type: 'refused', ...refusal })
    this.closed(socket)
    socket.close(refusal ? POLICY_VIOLATION : GOING_AWAY, reason)
  }

  endAll(reason: string, except?: WebSocket): void {
    for (const { socket } of this.#parts.sessions.all()) if (socket !== except) this.end(socket, reason)
  }

  async #refuse(socket: WebSocket, refusal: UplinkRefusal, retryAfterSeconds?: number): Promise<void> {
    sendMessage(socket, {
      type: 'refused',
      ...refusal,
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    })
    this.closed(socket)
    socket.close(POLICY_VIOLATION, refusal.code)
  }

  #flowOf(socket: WebSocket): Flow {
    const known = this.#flows.get(socket)
    if (known) return known
    const flow = { rate: new UplinkRateLimit(this.#parts.context.now()), tail: Promise.resolve(), waiting: 0 }
    this.#flows.set(socket, flow)
    return flow
  }

  async #take(socket: WebSocket, text: string): Promise<void> {
    const { context, sessions, handle } = this.#parts
    const state = sessions.find(socket)
    if (!state) return
    const message = agentMessage.safeParse(parseJson(text)).data
    if (!message) return this.#refuse(socket, { code: 'bad_message', message: 'not a message of this protocol' })
    if (state.phase === 'greeting') {
      if (message.type === 'hello') return this.#greet(socket, state, message)
      return this.#refuse(socket, { code: 'bad_message', message: 'the first message is hello' })
    }
    if (message.type === 'hello') return this.#refuse(socket, { code: 'bad_message', message: 'hello is said once' })
    if (!this.#flowOf(socket).rate.allowsContent(message, context.now())) return this.#refuse(socket, tooMany, 10)
    const session: Session = { socket, state }
    sessions.update(session, { heardAt: context.now() })
    const refusal = await handle(session, message)
    if (refusal) return this.#refuse(socket, refusal)
  }

  async #greet(socket: WebSocket, greeting: Greeting, hello: Hello): Promise<void> {
    const { context, sessions, fanOut, onPresence, onWelcome } = this.#parts
    // The nonce is used up whatever comes of it.
    sessions.set(socket, { ...greeting, nonce: '' })
    const judged = await judgeHello(context.sql, hello, greeting.nonce)
    if (!sessions.find(socket)) return
    if (!judged.ok) return this.#refuse(socket, judged.error)
    const cluster = judged.value
    for (const { socket: older, state } of sessions.ofCluster(cluster.name)) {
      if (state.replica === hello.replica)
        this.end(older, 'replaced', { code: 'replaced', message: 'this replica has come back' })
    }
    if (sessions.ofCluster(cluster.name).length >= MAX_SESSIONS_PER_CLUSTER) {
      return this.#refuse(socket, { code: 'rate_limited', message: 'the cluster has too many agents connected' }, 60)
    }
    const resumption = toResumption(readMeshRow(context.sql), cluster, hello.position)
    if (resumption.kind === 'ahead' && context.transaction(() => followAgent(context, cluster.name))) {
      this.endAll('the plane begins a new epoch', socket)
    }
    const now = context.now()
    sessions.set(socket, {
      phase: 'open',
      id: greeting.id,
      cluster: cluster.name,
      replica: hello.replica,
      agentVersion: hello.agentVersion,
      client: greeting.client,
      connectedAt: now,
      heardAt: now,
      reporting: false,
      publishes: hello.capabilities.includes('publish'),
      knowsGateways: hello.capabilities.includes('gateway-proxies'),
      knowsGroups: hello.capabilities.includes('machine-groups'),
      sendsTelemetry: hello.capabilities.includes('telemetry'),
      tellsTrust: hello.capabilities.includes('trust-report'),
      takesLeases: hello.capabilities.includes('leases'),
      tellsAbsent: hello.capabilities.includes('absent-proxies'),
      lacks: UPLINK_CAPABILITIES.filter((each) => !hello.capabilities.includes(each)),
      sent: resumption.kind === 'resume' ? resumption.since : 0,
      unacknowledged: [],
      unacknowledgedSince: now,
      bulkChars: 0,
      delivery: null,
    })
    context.sql.exec('UPDATE clusters SET last_seen_at = ? WHERE name = ?', now, cluster.name)
    sendMessage(socket, {
      type: 'welcome',
      session: greeting.id,
      epoch: readMeshRow(context.sql).epoch,
      sync: resumption.kind === 'resume' ? 'resume' : 'snapshot',
      reporter: {
        term: cluster.term,
        replica: cluster.reporter,
        connected: sessions.reporterOf(cluster.name) !== undefined,
      },
      reported: cluster.reported,
    })
    onPresence()
    fanOut.wake()
    await onWelcome()
  }
}

/** A session's agent, as the one who does something. */
export const toAgentInitiator = ({ state }: Session): Initiator => ({
  actor: { kind: 'agent', id: state.cluster, name: state.replica },
  requestId: null,
  client: state.client ?? undefined,
})
