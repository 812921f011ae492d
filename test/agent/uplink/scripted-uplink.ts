import type { StateStep, StoredState } from '#agent/store/stored-state.ts'
import { RemovalGuard } from '#agent/registry/removal-guard.ts'
import { CatalogReporter } from '#agent/uplink/catalog-reporter.ts'
import { PublicationReporter } from '#agent/uplink/publication-reporter.ts'
import { PlaneReplica } from '#agent/uplink/plane-replica.ts'
import { firstComer, type ReporterElection } from '#agent/uplink/reporter-election.ts'
import { Uplink } from '#agent/uplink/uplink.ts'
import type { SocketHandlers } from '#agent/uplink/uplink-socket.ts'
import { clusterName, meshName, networkName } from '#mesh/names.ts'
import { agentMessage, type AgentMessage, type PlaneMessage } from '#mesh/uplink.ts'
import { VirtualClock } from '../virtual-clock.ts'
import { silentLog, toCatalogUpdates } from './model-agent.ts'

/** An uplink whose other end is the test itself: every message of the plane is what the test sends. */
export class ScriptedUplink {
  readonly clock = new VirtualClock()
  readonly steps: StateStep[] = []
  readonly telemetryTokens: (string | undefined)[] = []
  readonly replica: PlaneReplica
  readonly reporter: CatalogReporter
  readonly publications = new PublicationReporter('boot-1')
  readonly removals: RemovalGuard
  readonly uplink: Uplink
  /** Connections so far, and what the agent said on the current one. */
  connections = 0
  #handlers: SocketHandlers | undefined
  #sent: string[] = []
  /** What the connection has taken and not sent on yet. */
  bufferedBytes = 0
  deliveries = 0

  constructor(election: ReporterElection = firstComer, stored?: StoredState) {
    const now = (): number => this.clock.now()
    const cluster = clusterName.parse('east')
    this.replica = new PlaneReplica({ cluster, stored, suspicion: undefined, saveSuspicion: () => {}, now })
    this.reporter = new CatalogReporter({ boot: 'boot-1', network: networkName.parse('net-east'), now })
    this.removals = new RemovalGuard({ cluster, now, onBatch: toCatalogUpdates(() => this.uplink) })
    this.uplink = new Uplink({
      election,
      clock: this.clock,
      random: () => 0.5,
      log: silentLog,
      identity: {
        mesh: meshName.parse('demo'),
        cluster,
        replica: 'east-1',
        agentVersion: '1',
        sign: (text) => `signed:${text.length}`,
      },
      openSocket: (handlers) => {
        this.connections += 1
        this.#handlers = handlers
        this.#sent = []
        const bufferedBytes = (): number => this.bufferedBytes
        return {
          send: (text) => void this.#sent.push(text),
          get bufferedBytes() {
            return bufferedBytes()
          },
          close: () => {
            this.#handlers = undefined
          },
        }
      },
      replica: this.replica,
      reporter: this.reporter,
      publications: this.publications,
      onPublished: () => {},
      leases: { dueAt: undefined, setLive: () => {}, nextAsks: () => undefined, take: () => {} },
      onTelemetryToken: (token) => this.telemetryTokens.push(token),
      removals: this.removals,
      onStep: (step) => this.steps.push(step),
      summariseDelivery: () => ({ compiled: ++this.deliveries, proxies: 0, live: [], laggards: [], nacks: [] }),
      reportTrust: () => undefined,
      answer: (query) => (query.kind === 'proxies' ? [] : undefined),
    })
    this.uplink.start()
  }

  get connected(): boolean {
    return this.#handlers !== undefined
  }

  open(): void {
    this.#handlers?.onOpen()
  }

  /** As raw text: also what no plane would say. */
  sayText(text: string): void {
    this.#handlers?.onText(text)
  }

  say(message: PlaneMessage): void {
    this.sayText(JSON.stringify(message))
  }

  cut(): void {
    this.#handlers?.onClose('cut')
  }

  /** The connection breaks, and the agent comes back. */
  reconnect(): void {
    this.cut()
    this.waitForConnection()
  }

  /** Lets time pass until the agent tries again; returns how much. */
  waitForConnection(): number {
    const start = this.clock.now()
    while (!this.connected) this.clock.advance(100)
    return this.clock.now() - start
  }

  /** What the agent said since the last time, but its pings. */
  heard(): AgentMessage[] {
    return this.#sent.splice(0).flatMap((text) => (text === 'ping' ? [] : agentMessage.parse(JSON.parse(text))))
  }

  heardPing(): boolean {
    return this.#sent.includes('ping')
  }

  /** Through the handshake, into step with a plane that has this state. */
  greet(
    options: {
      readonly epoch?: string
      readonly sync?: 'resume' | 'snapshot'
      readonly term?: number
      readonly capabilities?: readonly string[]
    } = {},
  ): void {
    const { epoch = 'e1', sync = 'snapshot', term = 0, capabilities = [] } = options
    this.open()
    this.say({ type: 'challenge', nonce: 'n', protocol: 1, capabilities: [...capabilities] })
    this.say({
      type: 'welcome',
      session: 's',
      epoch,
      sync,
      reporter: { term, replica: null, connected: false },
      reported: null,
    })
  }
}
