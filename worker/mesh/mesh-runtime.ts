import type { AuditChain } from '#api/schemas/audit.ts'
import { rateLimit } from '#mesh/config/rate-limit.ts'
import { publishCandidates } from '../configuration/publish-candidates.ts'
import { attempt } from '../attempt.ts'
import { deriveEventSigners } from '../audit/event-signer.ts'
import type { EventSigner } from '../audit/event-signer.ts'
import { readKms } from '../ca/kms/kms.ts'
import { deriveOrgKek } from '../ca/sealed-key.ts'
import type { OrgKek } from '../ca/sealed-key.ts'
import { Alarm } from './alarm.ts'
import { announceAuditKey, readAuditChain } from './audit.ts'
import { refreshSummaries } from './catalog.ts'
import { readConfiguration } from './configuration.ts'
import type { MeshContext } from './context.ts'
import { DeliveryWatch } from './delivery-watch.ts'
import { readDelivery } from './delivery.ts'
import { followGeneration } from './epoch.ts'
import { LeaseDesk } from './limits/lease-desk.ts'
import { toLabelKeySource } from './label-keys.ts'
import type { LabelKeys } from './label-keys.ts'
import { findMeshRow, readMeshRow } from './mesh-row.ts'
import { migrate } from './migrate.ts'
import { migrations } from './migrations.ts'
import { announce, isOutboxEmpty } from './outbox.ts'
import { readCandidate } from './publishing/candidates.ts'
import { commitPublishing, readWishes } from './publishing/commit-publishing.ts'
import type { PublishRequest } from './publishing/commit-publishing.ts'
import { PublishSchedule } from './publishing/publish-schedule.ts'
import { isPublishingWanted } from './publishing/wanted.ts'
import { nextAdvanceMs } from './rotation/advance-rotation.ts'
import { adoptOlderTrust, judgeTrust } from './rotation/judge-trust.ts'
import { findRotation } from './rotation/rotation-row.ts'
import { findNamespacesOf, findOffered } from './service-list.ts'
import { hasTelemetryNews, sendTelemetryNews } from './telemetry-news.ts'
import { tick } from './tick.ts'
import { resealKeys } from './reseal-keys.ts'
import { readLeaseTimes } from './times.ts'
import { issueIntermediate } from './trust.ts'
import { mintIngestToken } from '../telemetry/ingest-token.ts'
import type { IngestClaims } from '../telemetry/ingest-token.ts'
import { AgentQueries } from './uplink/agent-queries.ts'
import { FanOut } from './uplink/fan-out.ts'
import { tellPublications } from './uplink/publish-messages.ts'
import { toMessageHandler } from './uplink/session-messages.ts'
import { tellTelemetryTokens } from './uplink/telemetry-tokens.ts'
import { Sessions } from './uplink/sessions.ts'
import { UplinkServer } from './uplink/uplink-server.ts'

/** Read models may lag behind by so much: a burst of commits is one message to D1. */
const OUTBOX_DELAY_MS = 500
/** Many agents say at the same time what they hold. */
const TRUST_DELAY_MS = 200

/**
 * What goes on in a mesh's object between two requests: its sessions with agents, what is told to whom after a write, the alarm, and
 * what must come one after the other. What it is asked for is in `Mesh`.
 */
export class MeshRuntime {
  readonly context: MeshContext
  readonly sessions: Sessions
  readonly queries: AgentQueries
  readonly server: UplinkServer
  readonly watch: DeliveryWatch
  readonly publishing: PublishSchedule
  readonly leases: LeaseDesk
  readonly labelKeys: () => LabelKeys
  readonly #state: DurableObjectState
  readonly #env: Cloudflare.Env
  readonly #fanOut: FanOut
  readonly #alarm: Alarm
  #signers: readonly EventSigner[] = []
  #isTrustWaking = false
  /** The end of the queue of issuances. */
  #issuing: Promise<unknown> = Promise.resolve()

  constructor(state: DurableObjectState, env: Cloudflare.Env) {
    const { storage } = state
    this.#state = state
    this.#env = env
    migrate(storage, migrations)
    this.context = {
      sql: storage.sql,
      transaction: (body) => storage.transactionSync(body),
      now: () => Date.now(),
      random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
      kms: () => readKms(env.ATOLL_KMS),
      signer: () => this.#signers[0],
    }
    const onDelivery = () => this.watch.notify()
    this.#alarm = new Alarm(storage)
    this.labelKeys = toLabelKeySource(storage.sql)
    this.sessions = new Sessions(state.getWebSockets())
    this.#fanOut = new FanOut(this.context, this.sessions)
    this.queries = new AgentQueries(this.context.random)
    this.leases = new LeaseDesk({
      context: this.context,
      countReplicas: () => this.sessions.open().filter(({ state }) => state.takesLeases).length,
    })
    const onPublish = () => this.publishing.wake()
    const parts = { context: this.context, sessions: this.sessions, fanOut: this.#fanOut, queries: this.queries }
    const handle = toMessageHandler({
      ...parts,
      issue: (request) => this.exclusively(async () => issueIntermediate(this.context, await this.kek(), request)),
      labelKeys: this.labelKeys,
      leases: this.leases,
      onDelivery,
      onTrust: () => this.wakeTrust(),
      onPublish,
    })
    this.server = new UplinkServer({
      ...parts,
      handle,
      onPresence: () => {
        onDelivery()
        this.wakeTrust()
      },
      onWelcome: () => this.tellTelemetryTokens(),
    })
    this.publishing = new PublishSchedule({
      now: this.context.now,
      isWanted: () => findMeshRow(storage.sql) !== undefined && isPublishingWanted(storage.sql),
      run: () => this.#publish(),
    })
    this.watch = new DeliveryWatch((revision) => readDelivery(storage.sql, this.sessions, revision))
  }

  /** Goes on where the object was before it slept. */
  async wakeUp(): Promise<void> {
    await this.#alarm.load()
    this.#signers = await deriveEventSigners(this.#env)
    if (!findMeshRow(this.context.sql)) return
    this.context.transaction(() => readAuditChain(this.context))
    this.context.transaction(() => announceAuditKey(this.context, this.#signers[1]))
    if (this.context.transaction(() => followGeneration(this.context, this.#env.PLANE_GENERATION))) {
      this.server.endAll('the plane begins a new epoch')
    }
    this.context.transaction(() => adoptOlderTrust(this.context))
    this.#fanOut.wake()
    this.publishing.wake()
    this.armTick()
  }

  /** Where the audit log begins and ends, and what its events are signed with. */
  readAuditChain(): AuditChain {
    const chain = this.context.transaction(() => readAuditChain(this.context))
    const log = findMeshRow(this.context.sql)?.meshId
    if (log === undefined || this.#signers.length === 0) return chain
    return { ...chain, signing: { log, keys: this.#signers.map(({ publicKey }) => publicKey) } }
  }

  armTick(): void {
    this.#alarm.arm(this.context.now() + readLeaseTimes(this.#env).tickMs)
  }

  /** The platform's alarm rang. */
  async tick(): Promise<void> {
    this.#alarm.rang()
    await tick({
      context: this.context,
      sessions: this.sessions,
      fanOut: this.#fanOut,
      server: this.server,
      alarm: this.#alarm,
      db: this.#env.DB,
      times: readLeaseTimes(this.#env),
      pongedAt: (socket) => this.#state.getWebSocketAutoResponseTimestamp(socket)?.getTime() ?? 0,
      write: (body) => this.write(body),
      pruneLeases: () => this.leases.prune(),
      wakePublishing: () => this.publishing.wake(),
      tellTelemetryTokens: () => this.tellTelemetryTokens(),
      sendTelemetryNews: () => sendTelemetryNews(this.context.sql, this.#env),
      resealKeys: () => this.exclusively(async () => resealKeys(this.context, await this.kek())),
      judgeTrust: () => this.judgeTrust(),
    })
  }

  /** One write: a transaction, and then whoever has to hear of it. */
  write<T>(body: () => T): T {
    const result = this.context.transaction(body)
    this.settle()
    return result
  }

  /** Something was written: whoever has to hear of it does. */
  settle(): void {
    this.#fanOut.wake()
    this.watch.notify()
    this.publishing.wake()
    if (!isOutboxEmpty(this.context.sql)) this.#alarm.arm(this.context.now() + OUTBOX_DELAY_MS)
  }

  /** In a write: objects of these kinds have changed. */
  takeChangedKinds(kinds: readonly string[]): void {
    if (kinds.includes('DestinationRule')) this.refreshSummaries()
    if (kinds.includes(rateLimit.kind)) this.leases.limitsChanged()
    if (kinds.length > 0) announce(this.context, 'mesh')
  }

  /** In a write: catalogs may be summarised otherwise now. */
  refreshSummaries(): void {
    refreshSummaries(this.context.sql, this.labelKeys())
  }

  /** What a cluster may publish, or what became of it, is something else now. */
  tellPublications(cluster: string): void {
    tellPublications(this.context.sql, this.sessions.reporterOf(cluster))
  }

  /** Runs issuances, and what must not come between their steps, one after the other: they wait for WebCrypto in between. */
  exclusively<T>(body: () => Promise<T>): Promise<T> {
    const run = this.#issuing.then(body)
    this.#issuing = run.catch(() => undefined)
    return run
  }

  tellTelemetryTokens(): Promise<void> {
    const mint = (claims: IngestClaims) => mintIngestToken(this.#env.ATOLL_KEK, claims)
    return tellTelemetryTokens({ context: this.context, sessions: this.sessions, mint })
  }

  /** Those that fail wait for the next tick. */
  async attemptTelemetryNews(): Promise<void> {
    await attempt('telemetry', () => sendTelemetryNews(this.context.sql, this.#env))
    if (hasTelemetryNews(this.context.sql)) this.armTick()
  }

  /** Something may be so that a rotation waits for: it is looked at in a moment, for all that comes meanwhile. */
  wakeTrust(): void {
    if (this.#isTrustWaking) return
    this.#isTrustWaking = true
    setTimeout(() => {
      this.#isTrustWaking = false
      void attempt('trust', () => this.judgeTrust())
    }, TRUST_DELAY_MS)
  }

  judgeTrust(): Promise<void> {
    return this.exclusively(async () => {
      const { sql } = this.context
      const before = findMeshRow(sql)
      if (!before) return
      const steps = findRotation(sql)?.steps.length
      await judgeTrust({ context: this.context, sessions: this.sessions }, () => this.kek())
      const next = nextAdvanceMs(sql)
      if (next !== undefined) this.#alarm.arm(next)
      if (readMeshRow(sql).sequence !== before.sequence) this.settle()
      // What the next step waits for may be there already.
      if (findRotation(sql)?.steps.length !== steps) this.wakeTrust()
    })
  }

  endSessionsOf(cluster: string, code: 'evicted' | 'replaced', message: string): void {
    this.#fanOut.forgetInterest(cluster)
    for (const { socket } of this.sessions.ofCluster(cluster)) this.server.end(socket, code, { code, message })
  }

  /** Nothing is left of the mesh, and nothing wakes the object up. */
  async erase(): Promise<void> {
    const { storage } = this.#state
    await this.#alarm.disarm()
    await storage.deleteAll()
    migrate(storage, migrations)
  }

  kek(): Promise<OrgKek> {
    const { ATOLL_KEK, ATOLL_KEK_PREVIOUS } = this.#env
    return deriveOrgKek(ATOLL_KEK, readMeshRow(this.context.sql).orgId, ATOLL_KEK_PREVIOUS)
  }

  /** Answers whether there is a new revision. */
  async #publish(): Promise<boolean> {
    const { sql } = this.context
    const before = readMeshRow(sql)
    await publishCandidates({
      id: before.meshId,
      readConfiguration: async (since) => readConfiguration(sql, since),
      findOffered: async (hosts) => findOffered(sql, hosts),
      findNamespacesOf: (hostnames) => findNamespacesOf(sql, hostnames),
      readWishes: () => readWishes(sql),
      readCandidate: (cluster, key) => readCandidate(sql, cluster, key),
      commitPublishing: (request) => this.#commitPublishing(request),
    })
    return findMeshRow(sql)?.revision !== before.revision
  }

  #commitPublishing(request: PublishRequest): boolean {
    const result = this.write(() => {
      const committed = commitPublishing(this.context, request)
      if (committed) this.takeChangedKinds(committed.changedKinds)
      return committed
    })
    for (const cluster of result?.told ?? []) this.tellPublications(cluster)
    return result !== undefined
  }
}
