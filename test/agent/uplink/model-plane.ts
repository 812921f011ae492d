import { countLostEndpoints, judgeRemoval } from '#mesh/judge-removal.ts'
import type { ServiceKey } from '#mesh/names.ts'
import type { CatalogEntry } from '#mesh/service.ts'
import { stateKeys, type StateChange, type StateItem } from '#mesh/state.ts'
import {
  agentMessage,
  planeMessage,
  toHelloPayload,
  UPLINK_PING,
  UPLINK_PONG,
  UPLINK_PROTOCOL,
  type AgentMessage,
  type PlaneMessage,
  type Position,
  type ReportPosition,
} from '#mesh/uplink.ts'

type Of<Type extends AgentMessage['type']> = Extract<AgentMessage, { type: Type }>

interface ClusterRow {
  term: number
  reporter: string | null
  reported: ReportPosition | null
  catalog: Map<ServiceKey, CatalogEntry>
  aside: { catalog: Map<ServiceKey, CatalogEntry>; position: ReportPosition } | undefined
}

/** What the plane keeps on disk. */
interface PlaneDisk {
  epoch: string
  sequence: number
  revision: number
  log: Map<string, { item: StateItem | null; sequence: number }>
  clusters: Map<string, ClusterRow>
}

export interface PlaneSocket {
  send(text: string): void
  close(): void
}

/** Whether a signature is right for a payload. */
export type VerifySignature = (payload: string, signature: string) => boolean

export const signForTests = (payload: string): string => `signed ${payload.length} ${payload}`.slice(0, 256)

const chunkItems = 2

/**
 * A control plane as `mesh/uplink.ts` describes it, as small as it can be: a keyed log with tombstones, fenced reports that are
 * committed whole, sessions that forget everything when they end. Every cluster sees everything but its own catalog.
 */
export class ModelPlane {
  #disk: PlaneDisk = { epoch: 'epoch-0', sequence: 0, revision: 0, log: new Map(), clusters: new Map() }
  #sessions = new Set<ModelSession>()
  #epochs = 0
  readonly acknowledged: Position[] = []
  readonly verify: VerifySignature

  constructor(verify: VerifySignature = (payload, signature) => signature === signForTests(payload)) {
    this.verify = verify
  }

  connect(socket: PlaneSocket): ModelSession {
    const session = new ModelSession(this, socket)
    this.#sessions.add(session)
    return session
  }

  get disk(): PlaneDisk {
    return this.#disk
  }

  get sessions(): ReadonlySet<ModelSession> {
    return this.#sessions
  }

  forget(session: ModelSession): void {
    this.#sessions.delete(session)
    if (!session.cluster) return
    const row = this.row(session.cluster)
    if (row.reporter !== session.replica) return
    for (const other of this.#sessions)
      if (other.greeted && other.cluster === session.cluster) other.say({ type: 'vacancy', term: row.term })
  }

  /** The process ends and starts again on the same disk. */
  restart(): void {
    const sessions = [...this.#sessions]
    this.#sessions.clear()
    for (const session of sessions) session.drop()
  }

  backup(): PlaneDisk {
    return structuredClone(this.#disk)
  }

  /** A backup, or nothing at all, takes the place of the disk: a new epoch. */
  restore(backup: PlaneDisk | undefined): void {
    this.#epochs += 1
    const disk = backup ?? { sequence: 0, revision: 0, log: new Map(), clusters: new Map() }
    this.#disk = { ...structuredClone(disk), epoch: `epoch-${this.#epochs}` }
    this.restart()
  }

  applyConfiguration(changes: readonly StateChange[]): void {
    this.#disk.revision += 1
    this.#write(changes)
    for (const session of this.#sessions) session.pushNews()
  }

  row(cluster: string): ClusterRow {
    let row = this.#disk.clusters.get(cluster)
    if (!row) {
      row = { term: 0, reporter: null, reported: null, catalog: new Map(), aside: undefined }
      this.#disk.clusters.set(cluster, row)
    }
    return row
  }

  isConnected(cluster: string, replica: string | null): boolean {
    return [...this.#sessions].some(
      (session) => session.greeted && session.cluster === cluster && session.replica === replica,
    )
  }

  /** Commits a whole report; answers with what to tell the reporter. */
  commit(cluster: string, report: Of<'report'>): PlaneMessage {
    const row = this.row(cluster)
    const next = new Map(report.mode === 'full' ? [] : row.catalog)
    for (const entry of report.upserts) next.set(entry.service.key, entry)
    for (const key of report.removes) next.delete(key as ServiceKey)
    const before = [...row.catalog]
    const lost = before.reduce((sum, [key, entry]) => sum + countLostEndpoints(entry, next.get(key)), 0)
    const total = before.reduce((sum, [, { endpoints }]) => sum + endpoints.length, 0)
    if (report.confirmed === undefined && judgeRemoval(lost, total).held) {
      row.aside = { catalog: next, position: report.position }
      return { type: 'report-held', position: report.position, hold: `aside-${cluster}`, reason: 'too much' }
    }
    this.#take(cluster, next, report.position)
    return { type: 'report-ack', position: report.position }
  }

  /** A person confirms everything that is held anywhere. */
  confirmAll(): void {
    for (const [cluster, row] of this.#disk.clusters) {
      if (!row.aside) continue
      const { catalog, position } = row.aside
      this.#take(cluster, catalog, position)
      for (const session of this.#sessions)
        if (session.greeted && session.cluster === cluster) session.say({ type: 'report-ack', position })
    }
    for (const session of this.#sessions) for (const hold of session.holds) session.say({ type: 'confirm', hold })
  }

  visibleTo(cluster: string): Map<string, StateItem> {
    const visible = new Map<string, StateItem>()
    for (const [key, { item }] of this.#disk.log) if (item && isVisible(key, cluster)) visible.set(key, item)
    return visible
  }

  changesSince(cluster: string, sequence: number): StateChange[] {
    return [...this.#disk.log]
      .filter(([key, entry]) => entry.sequence > sequence && isVisible(key, cluster))
      .map(([key, { item }]) => ({ key, item }))
  }

  #take(cluster: string, catalog: Map<ServiceKey, CatalogEntry>, position: ReportPosition): void {
    const row = this.row(cluster)
    const changes: StateChange[] = []
    for (const key of row.catalog.keys())
      if (!catalog.has(key)) changes.push({ key: stateKeys.catalog(cluster, key), item: null })
    for (const [key, value] of catalog)
      changes.push({
        key: stateKeys.catalog(cluster, key),
        item: { kind: 'catalog', cluster: value.endpoints[0]?.cluster ?? (cluster as never), value },
      })
    row.catalog = catalog
    row.reported = position
    row.aside = undefined
    this.#write(changes)
    for (const session of this.#sessions) session.pushNews()
  }

  #write(changes: readonly StateChange[]): void {
    this.#disk.sequence += 1
    for (const { key, item } of changes) this.#disk.log.set(key, { item, sequence: this.#disk.sequence })
  }
}

const isVisible = (key: string, cluster: string): boolean => !key.startsWith(`catalog/${cluster}/`)

/** One connection, on the plane's side. */
export class ModelSession {
  readonly #plane: ModelPlane
  readonly #socket: PlaneSocket
  #open = true
  #sent = 0
  #report: Of<'report'>[] = []
  cluster = ''
  replica = ''
  greeted = false
  holds: string[] = []

  constructor(plane: ModelPlane, socket: PlaneSocket) {
    this.#plane = plane
    this.#socket = socket
    this.say({ type: 'challenge', nonce: 'nonce', protocol: UPLINK_PROTOCOL, capabilities: [] })
  }

  drop(): void {
    if (!this.#open) return
    this.#open = false
    this.#plane.forget(this)
    this.#socket.close()
  }

  say(message: PlaneMessage): void {
    if (this.#open) this.#socket.send(JSON.stringify(planeMessage.parse(message)))
  }

  receive(text: string): void {
    if (!this.#open) return
    if (text === UPLINK_PING) {
      this.#socket.send(UPLINK_PONG)
      return
    }
    const message = agentMessage.parse(JSON.parse(text))
    if (message.type === 'hello') this.#greet(message)
    else if (message.type === 'claim') this.#claim(message.term)
    else if (message.type === 'report') this.#takeReport(message)
    else if (message.type === 'holds') this.holds = message.holds.map(({ id }) => id)
    else if (message.type === 'ack') this.#plane.acknowledged.push(message.position)
  }

  /** What the agent has not been sent yet, as one batch of small chunks. */
  pushNews(): void {
    if (this.greeted && this.#sent < this.#plane.disk.sequence) this.#push('delta', this.#sent)
  }

  /** Sends again what was sent before. */
  repeat(back: number): void {
    if (this.greeted) this.#push('delta', Math.max(0, this.#sent - back))
  }

  #greet(hello: Of<'hello'>): void {
    const { mesh, cluster, replica, protocol, signature, position } = hello
    if (!this.#plane.verify(toHelloPayload({ mesh, cluster, replica, protocol, nonce: 'nonce' }), signature)) {
      this.say({ type: 'refused', code: 'bad_signature', message: 'wrong signature' })
      this.drop()
      return
    }
    for (const other of this.#plane.sessions) if (other !== this && other.replica === replica) other.drop()
    this.cluster = cluster
    this.replica = replica
    const { epoch, sequence } = this.#plane.disk
    const row = this.#plane.row(cluster)
    const resumes = position?.epoch === epoch && position.sequence <= sequence
    this.say({
      type: 'welcome',
      session: 'session',
      epoch,
      sync: resumes ? 'resume' : 'snapshot',
      reporter: { term: row.term, replica: row.reporter, connected: this.#plane.isConnected(cluster, row.reporter) },
      reported: row.reported,
    })
    this.greeted = true
    this.#sent = resumes ? position.sequence : 0
    if (resumes) this.pushNews()
    else this.#push('snapshot', 0)
  }

  #push(mode: 'delta' | 'snapshot', since: number): void {
    const { epoch, sequence, revision } = this.#plane.disk
    const items =
      mode === 'snapshot'
        ? [...this.#plane.visibleTo(this.cluster)].map(([key, item]) => ({ key, item }))
        : this.#plane.changesSince(this.cluster, since)
    for (let start = 0; start === 0 || start < items.length; start += chunkItems)
      this.say({
        type: 'changes',
        mode,
        position: { epoch, sequence },
        revision,
        items: items.slice(start, start + chunkItems),
        more: start + chunkItems < items.length,
      })
    this.#sent = sequence
  }

  #claim(term: number): void {
    const row = this.#plane.row(this.cluster)
    const granted = term > row.term || (term === row.term && row.reporter === this.replica)
    if (granted) {
      row.term = term
      row.reporter = this.replica
    }
    this.say({ type: 'claimed', term: granted ? term : row.term, granted, reported: row.reported })
  }

  #takeReport(report: Of<'report'>): void {
    const row = this.#plane.row(this.cluster)
    if (report.term !== row.term || row.reporter !== this.replica) {
      this.#report = []
      this.say({ type: 'refused', code: 'stale_term', message: 'another replica reports' })
      return
    }
    this.#report.push(report)
    if (report.more) return
    const whole = {
      ...report,
      upserts: this.#report.flatMap(({ upserts }) => upserts),
      removes: this.#report.flatMap(({ removes }) => removes),
    }
    this.#report = []
    this.say(this.#plane.commit(this.cluster, whole))
  }
}
