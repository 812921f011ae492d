import { DurableObject } from 'cloudflare:workers'
import type { UpdateMeshBody } from '#api/schemas/meshes.ts'
import type { AddIssuerBody } from '#api/schemas/trust.ts'
import { ok } from '#mesh/result.ts'
import { UPLINK_PING, UPLINK_PONG } from '#mesh/uplink.ts'
import type { JoinRequest } from '#mesh/join.ts'
import { publishCandidates } from '../configuration/publish-candidates.ts'
import { deriveOrgKek } from '../ca/sealed-key.ts'
import { Alarm } from './alarm.ts'
import { listAudit } from './audit.ts'
import type { AuditFilter, Initiator } from './audit.ts'
import { refreshSummaries } from './catalog.ts'
import { listCertificates } from './certificates.ts'
import { toCluster } from './cluster-list.ts'
import { countMembers, findMember, listMembers } from './clusters.ts'
import { confirmHold } from './confirm-hold.ts'
import { commitConfiguration, findObject, listObjects, readConfiguration } from './configuration.ts'
import type { CommitRequest, ObjectFilter } from './configuration.ts'
import type { MeshContext } from './context.ts'
import { createMesh, markDestroyed } from './create-mesh.ts'
import type { NewMesh } from './create-mesh.ts'
import { DeliveryWatch } from './delivery-watch.ts'
import { readDelivery } from './delivery.ts'
import { followGeneration } from './epoch.ts'
import { evictCluster } from './evict-cluster.ts'
import { addIssuer, removeIssuer } from './issuers.ts'
import { createJoinToken, listJoinTokens, revokeJoinToken } from './join-tokens.ts'
import type { NewJoinToken } from './join-tokens.ts'
import { joinCluster, refusedToken } from './join.ts'
import { toLabelKeySource } from './label-keys.ts'
import type { LabelKeys } from './label-keys.ts'
import type { LeaseTimes } from './leases.ts'
import { createMachineToken, listMachineTokens, revokeMachineToken } from './machine-tokens.ts'
import type { NewMachineToken } from './machine-tokens.ts'
import { findMeshRow, readMeshRow } from './mesh-row.ts'
import type { AgentAnswers, AgentQuery, CreationPlace, MeshFacts, MeshStore } from './mesh-store.ts'
import { migrate } from './migrate.ts'
import { migrations } from './migrations.ts'
import { nameAbsent } from './name-absent.ts'
import { listObjectStatus } from './object-problems.ts'
import { announce, isOutboxEmpty } from './outbox.ts'
import { hasCandidates, readCandidate } from './publishing/candidates.ts'
import { commitPublishing, readWishes } from './publishing/commit-publishing.ts'
import type { PublishRequest } from './publishing/commit-publishing.ts'
import { createPublishGrant, listPublishGrants, revokePublishGrant } from './publishing/publish-grants.ts'
import type { NewPublishGrant } from './publishing/publish-grants.ts'
import { PublishSchedule } from './publishing/publish-schedule.ts'
import { isPublishingWanted, wantPublishing } from './publishing/wanted.ts'
import { refuse } from './refusal.ts'
import { diffRevisions, findRevision, listChanges, listRevisions } from './revisions.ts'
import { findOffered, findService, listServices } from './service-list.ts'
import type { HostQuery, ServiceFilter } from './service-list.ts'
import { updateSettings } from './settings.ts'
import { tick } from './tick.ts'
import { readLeaseTimes } from './times.ts'
import { readTrust } from './trust-list.ts'
import { issueIntermediate, renewRoot } from './trust.ts'
import { AgentQueries } from './uplink/agent-queries.ts'
import { FanOut } from './uplink/fan-out.ts'
import { toMessageHandler } from './uplink/session-messages.ts'
import { tellPublications } from './uplink/publish-messages.ts'
import { Sessions } from './uplink/sessions.ts'
import { UplinkServer } from './uplink/uplink-server.ts'

/** Read models may lag behind by so much: a burst of commits is one message to D1. */
const OUTBOX_DELAY_MS = 500
const QUERY_TIMEOUT_MS = 5_000
/** RFC 6455 §7.4.1 and its IANA registry. */
const NO_STATUS = 1005
const ABNORMAL = 1006
const TRY_AGAIN_LATER = 1013

/** One mesh's durable object. It wires: what things mean is in the functions that it calls. */
export class Mesh extends DurableObject<Cloudflare.Env> implements MeshStore {
  readonly #context: MeshContext
  readonly #sessions: Sessions
  readonly #fanOut: FanOut
  readonly #queries: AgentQueries
  readonly #server: UplinkServer
  readonly #watch: DeliveryWatch
  readonly #labelKeys: () => LabelKeys
  readonly #alarm: Alarm
  readonly #publishing: PublishSchedule
  /** The end of the queue of issuances. */
  #issuing: Promise<unknown> = Promise.resolve()

  constructor(state: DurableObjectState, env: Cloudflare.Env) {
    super(state, env)
    const { storage } = state
    migrate(storage, migrations)
    this.#context = {
      sql: storage.sql,
      transaction: (body) => storage.transactionSync(body),
      now: () => Date.now(),
      random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
    }
    state.setWebSocketAutoResponse(new WebSocketRequestResponsePair(UPLINK_PING, UPLINK_PONG))
    const onDelivery = () => this.#watch.notify()
    this.#alarm = new Alarm(storage)
    this.#labelKeys = toLabelKeySource(storage.sql)
    this.#sessions = new Sessions(state.getWebSockets())
    this.#fanOut = new FanOut(this.#context, this.#sessions)
    this.#queries = new AgentQueries(this.#context.random)
    const onPublish = () => this.#publishing.wake()
    const parts = { context: this.#context, sessions: this.#sessions, fanOut: this.#fanOut, queries: this.#queries }
    const handle = toMessageHandler({
      ...parts,
      issue: (request) => this.#exclusively(async () => issueIntermediate(this.#context, await this.#kek(), request)),
      labelKeys: this.#labelKeys,
      onDelivery,
      onPublish,
    })
    this.#server = new UplinkServer({ ...parts, handle, onPresence: onDelivery })
    this.#publishing = new PublishSchedule({
      now: this.#context.now,
      isWanted: () => findMeshRow(storage.sql) !== undefined && isPublishingWanted(storage.sql),
      run: () => this.#publish(),
    })
    this.#watch = new DeliveryWatch((revision) => readDelivery(storage.sql, this.#sessions, revision))
    void state.blockConcurrencyWhile(() => this.#wakeUp())
  }

  async #wakeUp(): Promise<void> {
    await this.#alarm.load()
    if (!findMeshRow(this.#context.sql)) return
    if (this.#context.transaction(() => followGeneration(this.#context, this.env.PLANE_GENERATION))) {
      this.#server.endAll('the plane begins a new epoch')
    }
    this.#fanOut.wake()
    this.#publishing.wake()
    this.#alarm.arm(this.#context.now() + this.#times().tickMs)
  }

  // ── The mesh ───────────────────────────────────────────────────────────────────────────────────────────────────

  async create(mesh: NewMesh, by: Initiator) {
    const kek = await deriveOrgKek(this.env.ATOLL_KEK, mesh.orgId)
    const created = await createMesh(this.#context, kek, mesh, this.env.PLANE_GENERATION, by)
    if (!created.ok) return created
    this.#settle()
    return ok(this.#facts())
  }

  async facts() {
    return this.#facts()
  }

  #facts(): MeshFacts {
    const { settings, revision, createdAt } = readMeshRow(this.#context.sql)
    return { settings, revision, clusters: countMembers(this.#context.sql), createdAtMs: createdAt }
  }

  async updateSettings(changes: UpdateMeshBody, by: Initiator) {
    this.#write(() => {
      updateSettings(this.#context, changes, by)
      // Short host names of rules may mean other services now.
      if (changes.domainSuffix !== undefined) refreshSummaries(this.#context.sql, this.#labelKeys())
    })
    return this.#facts()
  }

  async destroy() {
    return this.#exclusively(async () => {
      if (countMembers(this.#context.sql) > 0) return refuse('conflict', 'clusters are in the mesh: evict them first')
      this.#server.endAll('the mesh is deleted')
      const { storage } = this.ctx
      await this.#alarm.disarm()
      await storage.deleteAll()
      migrate(storage, migrations)
      markDestroyed(this.#context)
      return ok(null)
    })
  }

  // ── Configuration ──────────────────────────────────────────────────────────────────────────────────────────────

  async readConfiguration(since: number | null) {
    return readConfiguration(this.#context.sql, since)
  }

  async findObject(key: string) {
    return findObject(this.#context.sql, key) ?? null
  }

  async listObjectStatus(key: string) {
    return listObjectStatus(this.#context.sql, key)
  }

  async listObjects(filter: ObjectFilter, after: string, limit: number) {
    return listObjects(this.#context.sql, filter, after, limit)
  }

  async commit(request: CommitRequest, by: Initiator) {
    return this.#write(() => {
      const committed = commitConfiguration(this.#context, request, by)
      if (!committed.ok) return committed
      const { revision, changes, changedKinds } = committed.value
      this.#takeChangedKinds(changedKinds)
      // What was written may stand before what clusters publish, or what that leans on.
      if (changedKinds.length > 0 && hasCandidates(this.#context.sql)) wantPublishing(this.#context.sql)
      return ok({ revision, changes })
    })
  }

  #takeChangedKinds(kinds: readonly string[]): void {
    if (kinds.includes('DestinationRule')) refreshSummaries(this.#context.sql, this.#labelKeys())
    if (kinds.length > 0) announce(this.#context, 'mesh')
  }

  async listRevisions(before: number, limit: number) {
    return listRevisions(this.#context.sql, before, limit)
  }

  async findRevision(number: number) {
    const revision = findRevision(this.#context.sql, number)
    return revision ? { revision, changes: listChanges(this.#context.sql, number) } : null
  }

  async diffRevisions(from: number, to: number, afterKey: string, limit: number) {
    return diffRevisions(this.#context.sql, from, to, afterKey, limit)
  }

  async waitForDelivery(revision: number, after: string | null, waitMs: number) {
    const delivery = await this.#watch.wait(revision, after, waitMs, this.#context.now)
    return nameAbsent(this.#sessions, (cluster) => this.askAgents(cluster, { kind: 'absent-proxies' }), delivery)
  }

  // ── Clusters ───────────────────────────────────────────────────────────────────────────────────────────────────

  async listClusters(after: string, limit: number) {
    const { sql, now } = this.#context
    return listMembers(sql, after, limit).map((row) => toCluster(sql, this.#sessions, row, now()))
  }

  async findCluster(name: string) {
    const { sql, now } = this.#context
    const row = findMember(sql, name)
    return row ? toCluster(sql, this.#sessions, row, now()) : null
  }

  async evictCluster(name: string, by: Initiator) {
    // An issuance that is half-way would make an intermediate of the cluster trusted again.
    if (!(await this.#exclusively(async () => this.#write(() => evictCluster(this.#context, name, by)))))
      return refuse('not_found', `there is no cluster ${name}`)
    this.#publishing.wake(true)
    this.#endSessionsOf(name, 'evicted', `the cluster ${name} is out of the mesh`)
    return ok(null)
  }

  async confirmHold(name: string, hold: string, by: Initiator) {
    const request = { cluster: name, hold, by }
    const confirmed = this.#write(() => confirmHold(this.#context, this.#sessions, request, this.#labelKeys()))
    if (!confirmed.ok) return confirmed
    confirmed.value()
    return ok(null)
  }

  async askAgents(cluster: string, query: AgentQuery): Promise<AgentAnswers> {
    const sessions = this.#sessions.ofCluster(cluster)
    const results = await Promise.all(sessions.map((session) => this.#queries.ask(session, query, QUERY_TIMEOUT_MS)))
    const answers = results.flatMap((result) => (result.kind === 'answer' ? [result.text] : []))
    if (results.some(({ kind }) => kind === 'timeout')) return { answers, missing: 'agent_timeout' }
    const isWhole = results.length > 0 && results.every(({ kind }) => kind === 'answer' || kind === 'none')
    return { answers, missing: isWhole ? null : 'agent_unavailable' }
  }

  // ── Publishing ─────────────────────────────────────────────────────────────────────────────────────────────────

  async createPublishGrant(grant: NewPublishGrant, by: Initiator) {
    return this.#write(() => createPublishGrant(this.#context, grant, by))
  }

  async listPublishGrants(before: CreationPlace, limit: number) {
    return listPublishGrants(this.#context.sql, before, limit)
  }

  async revokePublishGrant(id: string, by: Initiator) {
    const revoked = this.#write(() => revokePublishGrant(this.#context, id, by))
    this.#publishing.wake(true)
    return revoked
  }

  /** Answers whether there is a new revision. */
  async #publish(): Promise<boolean> {
    const { sql } = this.#context
    const before = readMeshRow(sql)
    await publishCandidates({
      id: before.meshId,
      readConfiguration: (since) => this.readConfiguration(since),
      findOffered: (hosts) => this.findOffered(hosts),
      readWishes: () => readWishes(sql),
      readCandidate: (cluster, key) => readCandidate(sql, cluster, key),
      commitPublishing: (request) => this.#commitPublishing(request),
    })
    return findMeshRow(sql)?.revision !== before.revision
  }

  #commitPublishing(request: PublishRequest): boolean {
    const result = this.#write(() => {
      const committed = commitPublishing(this.#context, request)
      if (committed) this.#takeChangedKinds(committed.changedKinds)
      return committed
    })
    for (const cluster of result?.told ?? []) tellPublications(this.#context.sql, this.#sessions.reporterOf(cluster))
    return result !== undefined
  }

  // ── Joining, machines, trust ───────────────────────────────────────────────────────────────────────────────────

  async createJoinToken(token: NewJoinToken, by: Initiator) {
    return this.#write(() => createJoinToken(this.#context, token, by))
  }

  async listJoinTokens(before: CreationPlace, limit: number) {
    return listJoinTokens(this.#context.sql, before, limit)
  }

  async revokeJoinToken(id: string, by: Initiator) {
    return this.#write(() => revokeJoinToken(this.#context, id, by))
  }

  async join(request: JoinRequest, requestId: string) {
    if (!findMeshRow(this.#context.sql)) return refusedToken
    const joined = await this.#exclusively(async () =>
      joinCluster(this.#context, await this.#kek(), request, requestId),
    )
    if (!joined.ok) return joined
    const { response, isAdmitted } = joined.value
    // Whoever is connected has the identity that the cluster had before.
    if (isAdmitted) this.#endSessionsOf(response.cluster, 'replaced', 'the cluster was joined anew')
    this.#settle()
    return ok(response)
  }

  async createMachineToken(cluster: string, token: NewMachineToken, by: Initiator) {
    return this.#write(() => createMachineToken(this.#context, cluster, token, by))
  }

  async listMachineTokens(cluster: string, before: CreationPlace, limit: number) {
    const { sql } = this.#context
    return findMember(sql, cluster)
      ? ok(listMachineTokens(sql, cluster, before, limit))
      : refuse('not_found', `there is no cluster ${cluster}`)
  }

  async revokeMachineToken(cluster: string, id: string, by: Initiator) {
    return this.#write(() => revokeMachineToken(this.#context, cluster, id, by))
  }

  async readTrust() {
    return readTrust(this.#context.sql)
  }

  async addIssuer(body: AddIssuerBody, by: Initiator) {
    const added = await this.#exclusively(async () => addIssuer(this.#context, await this.#kek(), body, by))
    this.#settle()
    return added
  }

  async removeIssuer(name: string, by: Initiator) {
    return this.#exclusively(async () => this.#write(() => removeIssuer(this.#context, name, by)))
  }

  async listCertificates(cluster: string | null, before: number, limit: number) {
    const { sql, now } = this.#context
    return listCertificates(sql, cluster, before, limit, now())
  }

  // ── Services, audit ────────────────────────────────────────────────────────────────────────────────────────────

  async listServices(filter: ServiceFilter, after: string, limit: number) {
    return listServices(this.#context.sql, filter, after, limit)
  }

  async findService(key: string) {
    return findService(this.#context.sql, key) ?? null
  }

  async findOffered(hosts: readonly HostQuery[]) {
    return findOffered(this.#context.sql, hosts)
  }

  async listAudit(filter: AuditFilter, before: number, limit: number) {
    return listAudit(this.#context.sql, filter, before, limit)
  }

  // ── What the platform calls ────────────────────────────────────────────────────────────────────────────────────

  override async fetch(request: Request): Promise<Response> {
    if (request.headers.get('Upgrade')?.toLowerCase() !== 'websocket') return new Response(null, { status: 426 })
    if (!findMeshRow(this.#context.sql)) return new Response(null, { status: 404 })
    const [client, server] = Object.values(new WebSocketPair())
    if (!client || !server) throw new Error('a WebSocketPair has two ends')
    this.ctx.acceptWebSocket(server)
    if (!this.#server.open(server)) {
      server.close(TRY_AGAIN_LATER, 'too many agents')
      return new Response(null, { status: 503 })
    }
    this.#alarm.arm(this.#context.now() + this.#times().tickMs)
    return new Response(null, { status: 101, webSocket: client })
  }

  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    return this.#server.receive(socket, message)
  }

  override webSocketClose(socket: WebSocket, code: number): void {
    this.#server.closed(socket)
    // 1005 and 1006 say that no code came; they can't be sent.
    socket.close(code === NO_STATUS || code === ABNORMAL ? undefined : code)
  }

  override webSocketError(socket: WebSocket): void {
    this.#server.closed(socket)
  }

  override async alarm(): Promise<void> {
    this.#alarm.rang()
    await tick({
      context: this.#context,
      sessions: this.#sessions,
      fanOut: this.#fanOut,
      server: this.#server,
      alarm: this.#alarm,
      db: this.env.DB,
      times: this.#times(),
      pongedAt: (socket) => this.ctx.getWebSocketAutoResponseTimestamp(socket)?.getTime() ?? 0,
      write: (body) => this.#write(body),
      wakePublishing: () => this.#publishing.wake(),
      renewRoot: () => this.#exclusively(async () => renewRoot(this.#context, await this.#kek())),
    })
  }

  // ── Wiring ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** One write: a transaction, and then whoever has to hear of it. */
  #write<T>(body: () => T): T {
    const result = this.#context.transaction(body)
    this.#settle()
    return result
  }

  #settle(): void {
    this.#fanOut.wake()
    this.#watch.notify()
    this.#publishing.wake()
    if (!isOutboxEmpty(this.#context.sql)) this.#alarm.arm(this.#context.now() + OUTBOX_DELAY_MS)
  }

  /** Runs issuances, and what must not come between their steps, one after the other: they wait for WebCrypto in between. */
  #exclusively<T>(body: () => Promise<T>): Promise<T> {
    const run = this.#issuing.then(body)
    this.#issuing = run.catch(() => undefined)
    return run
  }

  #endSessionsOf(cluster: string, code: 'evicted' | 'replaced', message: string): void {
    this.#fanOut.forgetInterest(cluster)
    for (const { socket } of this.#sessions.ofCluster(cluster)) this.#server.end(socket, code, { code, message })
  }

  #kek(): Promise<CryptoKey> {
    return deriveOrgKek(this.env.ATOLL_KEK, readMeshRow(this.#context.sql).orgId)
  }

  #times(): LeaseTimes {
    return readLeaseTimes(this.env)
  }
}
