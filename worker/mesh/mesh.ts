import { DurableObject } from 'cloudflare:workers'
import type { UpdateMeshBody } from '#api/schemas/meshes.ts'
import type { AddIssuerBody, Rotation, StartRotationBody } from '#api/schemas/trust.ts'
import { ok } from '#mesh/result.ts'
import { UPLINK_PING, UPLINK_PONG } from '#mesh/uplink.ts'
import type { JoinRequest } from '#mesh/join.ts'
import { toAuditClient } from '../audit/client.ts'
import { deriveOrgKek } from '../ca/sealed-key.ts'
import { listAudit, readAuditChain } from './audit.ts'
import type { AuditFilter, AuditPosition, Initiator } from './audit.ts'
import { listCertificates } from './certificates.ts'
import { toCluster } from './cluster-list.ts'
import { countMembers, findMember, listMembers } from './clusters.ts'
import { confirmHold } from './confirm-hold.ts'
import { commitConfiguration, findObject, listObjects, readConfiguration } from './configuration.ts'
import type { CommitRequest, ObjectFilter } from './configuration.ts'
import type { MeshContext } from './context.ts'
import { createMesh, markDestroyed } from './create-mesh.ts'
import type { NewMesh } from './create-mesh.ts'
import { evictCluster } from './evict-cluster.ts'
import { addIssuer, removeIssuer } from './issuers.ts'
import { createJoinToken, listJoinTokens, revokeJoinToken } from './join-tokens.ts'
import type { NewJoinToken } from './join-tokens.ts'
import { joinCluster, refusedToken } from './join.ts'
import { createMachineToken, listMachineTokens, revokeMachineToken } from './machine-tokens.ts'
import type { NewMachineToken } from './machine-tokens.ts'
import { findMeshRow, readMeshRow } from './mesh-row.ts'
import type { AgentAnswers, AgentQuery, CreationPlace, MeshFacts, MeshStore } from './mesh-store.ts'
import { MeshRuntime } from './mesh-runtime.ts'
import { nameAbsent } from './name-absent.ts'
import { listObjectStatus } from './object-problems.ts'
import { hasCandidates } from './publishing/candidates.ts'
import { createPublishGrant, listPublishGrants, revokePublishGrant } from './publishing/publish-grants.ts'
import type { NewPublishGrant } from './publishing/publish-grants.ts'
import { wantPublishing } from './publishing/wanted.ts'
import { listQuotaUses } from './limits/list-quota-uses.ts'
import type { QuotaFilter, QuotaPlace } from './limits/list-quota-uses.ts'
import { listIgnoring, listOutdatedAgents } from './outdated-agents.ts'
import { refuse } from './refusal.ts'
import type { Outcome } from './refusal.ts'
import { countSealed } from './reseal-keys.ts'
import { diffRevisions, findRevision, listChanges, listRevisions } from './revisions.ts'
import { createRequest, removeRequest } from './own-root.ts'
import { startRotation } from './rotation/judge-trust.ts'
import { continueWithout, pauseRotation, rollBackRotation } from './rotation/rotation-commands.ts'
import { readRotation } from './rotation/rotation-view.ts'
import { findNamespacesOf, findOffered, findService, listServices } from './service-list.ts'
import type { HostQuery, ServiceFilter } from './service-list.ts'
import { updateSettings } from './settings.ts'
import { hasTelemetryNews, sendTelemetryNews } from './telemetry-news.ts'
import { readTrust } from './trust-list.ts'

const QUERY_TIMEOUT_MS = 5_000
/** RFC 6455 §7.4.1 and its IANA registry. */
const NO_STATUS = 1005
const ABNORMAL = 1006
const TRY_AGAIN_LATER = 1013

/** One mesh's durable object. It wires: what things mean is in the functions that it calls, what goes on by itself in its runtime. */
export class Mesh extends DurableObject<Cloudflare.Env> implements MeshStore {
  readonly #runtime: MeshRuntime
  readonly #context: MeshContext

  constructor(state: DurableObjectState, env: Cloudflare.Env) {
    super(state, env)
    this.#runtime = new MeshRuntime(state, env)
    this.#context = this.#runtime.context
    state.setWebSocketAutoResponse(new WebSocketRequestResponsePair(UPLINK_PING, UPLINK_PONG))
    void state.blockConcurrencyWhile(() => this.#runtime.wakeUp())
  }

  // ── The mesh ───────────────────────────────────────────────────────────────────────────────────────────────────

  async create(mesh: NewMesh, by: Initiator) {
    const kek = await deriveOrgKek(this.env.ATOLL_KEK, mesh.orgId, this.env.ATOLL_KEK_PREVIOUS)
    const created = await createMesh(this.#context, kek, mesh, this.env.PLANE_GENERATION, by)
    if (!created.ok) return created
    this.#runtime.settle()
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
    const outcome = this.#runtime.write(() => {
      const updated = updateSettings(this.#context, changes, by)
      if (changes.keys) this.#runtime.wakeTrust()
      if (!updated.ok) return updated
      // Short host names of rules may mean other services now.
      if (changes.domainSuffix !== undefined) this.#runtime.refreshSummaries()
      return ok(this.#facts())
    })
    if (hasTelemetryNews(this.#context.sql)) await this.#runtime.attemptTelemetryNews()
    return outcome
  }

  async destroy() {
    return this.#runtime.exclusively(async () => {
      if (countMembers(this.#context.sql) > 0) return refuse('conflict', 'clusters are in the mesh: evict them first')
      // Of one whose deletion was cut off there is no log any more.
      const head = findMeshRow(this.#context.sql) ? readAuditChain(this.#context).head : null
      await sendTelemetryNews(this.#context.sql, this.env)
      this.#runtime.server.endAll('the mesh is deleted')
      await this.#runtime.erase()
      markDestroyed(this.#context)
      return ok(head)
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
    const { sql } = this.#context
    return [...listObjectStatus(sql, key), ...listIgnoring(sql, this.#runtime.sessions, key)]
  }

  async listOutdatedAgents() {
    return listOutdatedAgents(this.#context.sql, this.#runtime.sessions)
  }

  async listObjects(filter: ObjectFilter, after: string, limit: number) {
    return listObjects(this.#context.sql, filter, after, limit)
  }

  async commit(request: CommitRequest, by: Initiator) {
    const outcome = this.#runtime.write(() => {
      const committed = commitConfiguration(this.#context, request, by)
      if (!committed.ok) return committed
      const { revision, changes, changedKinds } = committed.value
      this.#runtime.takeChangedKinds(changedKinds)
      // What was written may stand before what clusters publish, or what that leans on.
      if (changedKinds.length > 0 && hasCandidates(this.#context.sql)) wantPublishing(this.#context.sql)
      return ok({ revision, changes })
    })
    // What a deleted object stood before is to be there as soon as that is gone.
    if (request.deletes.length > 0) this.#runtime.publishing.wake(true)
    return outcome
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
    const delivery = await this.#runtime.watch.wait(revision, after, waitMs, this.#context.now)
    return nameAbsent(
      this.#runtime.sessions,
      (cluster) => this.askAgents(cluster, { kind: 'absent-proxies' }),
      delivery,
    )
  }

  // ── Clusters ───────────────────────────────────────────────────────────────────────────────────────────────────

  async listClusters(after: string, limit: number) {
    const { sql, now } = this.#context
    return listMembers(sql, after, limit).map((row) => toCluster(sql, this.#runtime.sessions, row, now()))
  }

  async findCluster(name: string) {
    const { sql, now } = this.#context
    const row = findMember(sql, name)
    return row ? toCluster(sql, this.#runtime.sessions, row, now()) : null
  }

  async evictCluster(name: string, by: Initiator) {
    // At once: what is being signed for the cluster, for as long as a KMS takes, is judged once more before it is trusted.
    if (!this.#runtime.write(() => evictCluster(this.#context, name, by)))
      return refuse('not_found', `there is no cluster ${name}`)
    this.#runtime.publishing.wake(true)
    this.#runtime.endSessionsOf(name, 'evicted', `the cluster ${name} is out of the mesh`)
    this.#runtime.wakeTrust()
    await this.#runtime.attemptTelemetryNews()
    return ok(null)
  }

  async confirmHold(name: string, hold: string, by: Initiator) {
    const request = { cluster: name, hold, by }
    const confirmed = this.#runtime.write(() =>
      confirmHold(this.#context, this.#runtime.sessions, request, this.#runtime.labelKeys()),
    )
    if (!confirmed.ok) return confirmed
    confirmed.value()
    return ok(null)
  }

  async askAgents(cluster: string, query: AgentQuery): Promise<AgentAnswers> {
    const sessions = this.#runtime.sessions.ofCluster(cluster)
    const results = await Promise.all(
      sessions.map((session) => this.#runtime.queries.ask(session, query, QUERY_TIMEOUT_MS)),
    )
    const answers = results.flatMap((result) => (result.kind === 'answer' ? [result.text] : []))
    if (results.some(({ kind }) => kind === 'timeout')) return { answers, missing: 'agent_timeout' }
    const isWhole = results.length > 0 && results.every(({ kind }) => kind === 'answer' || kind === 'none')
    return { answers, missing: isWhole ? null : 'agent_unavailable' }
  }

  // ── Publishing ─────────────────────────────────────────────────────────────────────────────────────────────────

  async createPublishGrant(grant: NewPublishGrant, by: Initiator) {
    const made = this.#runtime.write(() => createPublishGrant(this.#context, grant, by))
    if (made.ok) this.#runtime.tellPublications(made.value.cluster)
    return made
  }

  async listPublishGrants(before: CreationPlace, limit: number) {
    return listPublishGrants(this.#context.sql, before, limit)
  }

  async revokePublishGrant(id: string, by: Initiator) {
    const revoked = this.#runtime.write(() => revokePublishGrant(this.#context, id, by))
    if (!revoked.ok) return revoked
    this.#runtime.publishing.wake(true)
    this.#runtime.tellPublications(revoked.value.cluster)
    return ok(null)
  }

  // ── Joining, machines, trust ───────────────────────────────────────────────────────────────────────────────────

  async createJoinToken(token: NewJoinToken, by: Initiator) {
    return this.#runtime.write(() => createJoinToken(this.#context, token, by))
  }

  async listJoinTokens(before: CreationPlace, limit: number) {
    return listJoinTokens(this.#context.sql, before, limit)
  }

  async revokeJoinToken(id: string, by: Initiator) {
    return this.#runtime.write(() => revokeJoinToken(this.#context, id, by))
  }

  async join(request: JoinRequest, by: Pick<Initiator, 'requestId' | 'client'>) {
    if (!findMeshRow(this.#context.sql)) return refusedToken
    const joined = await this.#runtime.exclusively(async () =>
      joinCluster(this.#context, await this.#runtime.kek(), request, by),
    )
    if (!joined.ok) return joined
    const { response, isAdmitted } = joined.value
    // Whoever is connected has the identity that the cluster had before.
    if (isAdmitted) this.#runtime.endSessionsOf(response.cluster, 'replaced', 'the cluster was joined anew')
    this.#runtime.settle()
    this.#runtime.wakeTrust()
    return ok(response)
  }

  async createMachineToken(cluster: string, token: NewMachineToken, by: Initiator) {
    return this.#runtime.write(() => createMachineToken(this.#context, cluster, token, by))
  }

  async listMachineTokens(cluster: string, before: CreationPlace, limit: number) {
    const { sql } = this.#context
    return findMember(sql, cluster)
      ? ok(listMachineTokens(sql, cluster, before, limit))
      : refuse('not_found', `there is no cluster ${cluster}`)
  }

  async revokeMachineToken(cluster: string, id: string, by: Initiator) {
    return this.#runtime.write(() => revokeMachineToken(this.#context, cluster, id, by))
  }

  async countSealed(currentId: string) {
    return countSealed(this.#context.sql, currentId)
  }

  async readTrust() {
    const { sql, now } = this.#context
    return readTrust(sql, this.#runtime.sessions, now())
  }

  async readRotation() {
    return readRotation(this.#context.sql, this.#runtime.sessions)
  }

  async createRootRequest(by: Initiator) {
    return this.#runtime.exclusively(async () => createRequest(this.#context, await this.#runtime.kek(), by))
  }

  async removeRootRequest(by: Initiator) {
    return this.#runtime.exclusively(async () => this.#runtime.write(() => removeRequest(this.#context, by)))
  }

  async startRotation({ offlineGraceDays: graceDays, root: own }: StartRotationBody, by: Initiator) {
    return this.#changeRotation(async () =>
      startRotation(this.#context, await this.#runtime.kek(), { reason: 'asked', graceDays, own }, by),
    )
  }

  async pauseRotation(paused: boolean, by: Initiator) {
    return this.#changeRotation(async () => this.#context.transaction(() => pauseRotation(this.#context, paused, by)))
  }

  async rollBackRotation(by: Initiator) {
    return this.#changeRotation(async () => this.#context.transaction(() => rollBackRotation(this.#context, by)))
  }

  async continueRotation(without: string, by: Initiator) {
    return this.#changeRotation(async () =>
      this.#context.transaction(() => continueWithout(this.#context, this.#runtime.sessions, without, by)),
    )
  }

  /** No certificate is being signed meanwhile. */
  async #changeRotation(change: () => Promise<Outcome<null>>): Promise<Outcome<Rotation>> {
    const { sql } = this.#context
    const outcome = await this.#runtime.exclusively(change)
    this.#runtime.settle()
    await this.#runtime.judgeTrust()
    if (!outcome.ok) return outcome
    const rotation = readRotation(sql, this.#runtime.sessions)
    return rotation ? ok(rotation) : refuse('conflict', 'there is no rotation of the root')
  }

  async addIssuer(body: AddIssuerBody, by: Initiator) {
    const added = await this.#runtime.exclusively(async () =>
      addIssuer(this.#context, await this.#runtime.kek(), body, by),
    )
    this.#runtime.settle()
    return added
  }

  async removeIssuer(name: string, by: Initiator) {
    return this.#runtime.exclusively(async () => this.#runtime.write(() => removeIssuer(this.#context, name, by)))
  }

  async listCertificates(cluster: string | null, before: number, limit: number) {
    const { sql, now } = this.#context
    return listCertificates(sql, cluster, before, limit, now())
  }

  // ── Services, audit ────────────────────────────────────────────────────────────────────────────────────────────

  async listServices(filter: ServiceFilter, after: string, limit: number) {
    return listServices(this.#context.sql, filter, after, limit)
  }

  async listQuotaUses(filter: QuotaFilter, after: QuotaPlace, limit: number) {
    return listQuotaUses(this.#context.sql, filter, after, limit)
  }

  async findService(key: string) {
    return findService(this.#context.sql, key) ?? null
  }

  async findOffered(hosts: readonly HostQuery[]) {
    return findOffered(this.#context.sql, hosts)
  }

  async findNamespacesOf(hostnames: readonly string[]) {
    return findNamespacesOf(this.#context.sql, hostnames)
  }

  async listAudit(filter: AuditFilter, position: AuditPosition, limit: number) {
    return listAudit(this.#context.sql, filter, position, limit)
  }

  async readAuditChain() {
    return this.#runtime.readAuditChain()
  }

  // ── What the platform calls ────────────────────────────────────────────────────────────────────────────────────

  override async fetch(request: Request): Promise<Response> {
    if (request.headers.get('Upgrade')?.toLowerCase() !== 'websocket') return new Response(null, { status: 426 })
    if (!findMeshRow(this.#context.sql)) return new Response(null, { status: 404 })
    const [client, server] = Object.values(new WebSocketPair())
    if (!client || !server) throw new Error('a WebSocketPair has two ends')
    this.ctx.acceptWebSocket(server)
    if (!this.#runtime.server.open(server, toAuditClient(request.headers, this.env))) {
      server.close(TRY_AGAIN_LATER, 'too many agents')
      return new Response(null, { status: 503 })
    }
    this.#runtime.armTick()
    return new Response(null, { status: 101, webSocket: client })
  }

  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    return this.#runtime.server.receive(socket, message)
  }

  override webSocketClose(socket: WebSocket, code: number): void {
    this.#runtime.server.closed(socket)
    // 1005 and 1006 say that no code came; they can't be sent.
    socket.close(code === NO_STATUS || code === ABNORMAL ? undefined : code)
  }

  override webSocketError(socket: WebSocket): void {
    this.#runtime.server.closed(socket)
  }

  override async alarm(): Promise<void> {
    await this.#runtime.tick()
  }
}
