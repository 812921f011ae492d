import { randomUUID } from 'node:crypto'
import { pino } from 'pino'
import type { RegistryBatch } from '#agent/registry/registry.ts'
import { RemovalGuard } from '#agent/registry/removal-guard.ts'
import type { StateStep, StoredState } from '#agent/store/stored-state.ts'
import { CatalogReporter } from '#agent/uplink/catalog-reporter.ts'
import { PublicationReporter } from '#agent/uplink/publication-reporter.ts'
import { PlaneReplica, type Suspicion } from '#agent/uplink/plane-replica.ts'
import { firstComer } from '#agent/uplink/reporter-election.ts'
import { Uplink } from '#agent/uplink/uplink.ts'
import type { OpenSocket, SocketHandlers } from '#agent/uplink/uplink-socket.ts'
import { clusterName, meshName, networkName, type ClusterName, type ServiceKey } from '#mesh/names.ts'
import type { CatalogEntry } from '#mesh/service.ts'
import type { StateItem } from '#mesh/state.ts'
import type { VirtualClock } from '../virtual-clock.ts'
import { signForTests, type ModelPlane, type ModelSession } from './model-plane.ts'

export const silentLog = pino({ level: 'silent' })

/** How an agent tells its uplink what its registry lets through. */
export const toCatalogUpdates =
  (findUplink: () => Uplink) =>
  ({ changes }: RegistryBatch, confirmed?: string): void => {
    const catalog = changes.filter((change) => change.kind === 'catalog')
    findUplink().updateCatalog(
      catalog.flatMap(({ value }) => value ?? []),
      catalog.flatMap(({ service, value }) => (value ? [] : [service])),
      confirmed,
    )
  }

/** A batch of services that came or changed, and of ones that went. */
export const toBatch = (
  cluster: ClusterName,
  upserts: readonly CatalogEntry[],
  removes: readonly ServiceKey[] = [],
): RegistryBatch => ({
  changes: [
    ...upserts.map((value) => ({ kind: 'catalog' as const, cluster, service: value.service.key, value })),
    ...removes.map((service) => ({ kind: 'catalog' as const, cluster, service, value: null })),
  ],
})

/** A connection between an agent and the model plane whose messages move one at a time, when the test says so. */
export class Link {
  readonly #handlers: SocketHandlers
  readonly #toPlane: { text: string; sent: () => void }[] = []
  readonly #toAgent: string[] = []
  #session: ModelSession | undefined
  #open = false
  #ended = false

  constructor(handlers: SocketHandlers) {
    this.#handlers = handlers
  }

  get ended(): boolean {
    return this.#ended
  }

  get idle(): boolean {
    return this.#ended || (this.#open && this.#toPlane.length === 0 && this.#toAgent.length === 0)
  }

  send(text: string, sent: () => void): void {
    if (!this.#ended) this.#toPlane.push({ text, sent })
  }

  get bufferedBytes(): number {
    return this.#toPlane.reduce((sum, { text }) => sum + text.length, 0)
  }

  connect(plane: ModelPlane): void {
    if (this.#ended || this.#open) return
    this.#open = true
    this.#handlers.onOpen()
    this.#session = plane.connect({ send: (text) => void this.#toAgent.push(text), close: () => this.cut() })
  }

  deliverToPlane(): void {
    const message = this.#ended ? undefined : this.#toPlane.shift()
    if (!message) return
    this.#session?.receive(message.text)
    message.sent()
  }

  deliverToAgent(): void {
    const text = this.#ended ? undefined : this.#toAgent.shift()
    if (text !== undefined) this.#handlers.onText(text)
  }

  /** The connection breaks; what was under way is lost. */
  cut(): void {
    if (this.#ended) return
    this.#ended = true
    this.#session?.drop()
    this.#handlers.onClose('cut')
  }

  /** What the agent's process leaves behind when it is killed. */
  abandon(): void {
    this.#ended = true
    this.#session?.drop()
  }
}

/** One agent replica: the real uplink over links, with a disk that takes what `onStep` was called with. */
export class ModelAgent {
  readonly cluster: string
  readonly replica: string
  readonly #clock: VirtualClock
  readonly #random: () => number
  readonly #registry: Map<ServiceKey, CatalogEntry>
  #disk: StoredState | undefined
  #suspicion: Suspicion | undefined
  #uplink: Uplink | undefined
  #removals: RemovalGuard | undefined
  link: Link | undefined
  /** What the view has been told. */
  readonly view = new Map<string, StateItem>()

  constructor(
    cluster: string,
    replica: string,
    registry: Map<ServiceKey, CatalogEntry>,
    clock: VirtualClock,
    random: () => number,
  ) {
    this.cluster = cluster
    this.replica = replica
    this.#registry = registry
    this.#clock = clock
    this.#random = random
  }

  get uplink(): Uplink {
    if (!this.#uplink) throw new Error('the agent does not run')
    return this.#uplink
  }

  start(): void {
    const openSocket: OpenSocket = (handlers) => {
      const link = new Link(handlers)
      this.link = link
      return {
        send: (text, sent) => link.send(text, sent),
        get bufferedBytes() {
          return link.bufferedBytes
        },
        close: () => link.cut(),
      }
    }
    const now = (): number => this.#clock.now()
    this.view.clear()
    for (const [key, item] of this.#disk?.items ?? []) this.view.set(key, item)
    this.#removals = new RemovalGuard({
      cluster: clusterName.parse(this.cluster),
      now,
      onBatch: toCatalogUpdates(() => this.uplink),
    })
    this.#uplink = new Uplink({
      election: firstComer,
      clock: this.#clock,
      random: this.#random,
      log: silentLog,
      openSocket,
      identity: {
        mesh: meshName.parse('demo'),
        cluster: clusterName.parse(this.cluster),
        replica: this.replica,
        agentVersion: 'test',
        sign: signForTests,
      },
      replica: new PlaneReplica({
        cluster: clusterName.parse(this.cluster),
        stored: this.#disk,
        suspicion: this.#suspicion,
        saveSuspicion: (suspicion) => {
          this.#suspicion = suspicion
        },
        now,
      }),
      reporter: new CatalogReporter({ boot: randomUUID(), network: networkName.parse(this.cluster), now }),
      publications: new PublicationReporter(randomUUID()),
      onPublished: () => {},
      leases: { dueAt: undefined, setLive: () => {}, nextAsks: () => undefined, take: () => {} },
      onTelemetryToken: () => {},
      removals: this.#removals,
      onStep: (step) => this.#store(step),
      summariseDelivery: () => ({ compiled: 0, proxies: 0, live: [], laggards: [], nacks: [] }),
      reportTrust: () => undefined,
      answer: () => ({ proxies: [] }),
    })
    this.changeRegistry([...this.#registry.values()], [])
    this.#uplink.registrySynced()
    this.#uplink.start()
  }

  changeRegistry(upserts: readonly CatalogEntry[], removes: readonly ServiceKey[]): void {
    this.#removals?.take(toBatch(clusterName.parse(this.cluster), upserts, removes))
  }

  kill(): void {
    this.link?.abandon()
    this.#uplink?.stop()
    this.#uplink = undefined
  }

  #store(step: StateStep): void {
    const items = new Map(this.#disk?.items)
    for (const { key, item } of step.items) {
      if (item) items.set(key, item)
      else items.delete(key)
      if (item) this.view.set(key, item)
      else this.view.delete(key)
    }
    this.#disk = { position: step.position, revision: step.revision, receivedAt: step.receivedAt, items }
  }
}
