import type { AuditChain, AuditEvent, AuditPlace } from '#api/schemas/audit.ts'
import type { Cluster, JoinToken } from '#api/schemas/clusters.ts'
import type { ObjectChange, ObjectStatus } from '#api/schemas/configuration.ts'
import type { MachineToken } from '#api/schemas/machine-tokens.ts'
import type { UpdateMeshBody } from '#api/schemas/meshes.ts'
import type { PublishGrant } from '#api/schemas/publish-grants.ts'
import type { QuotaUse } from '#api/schemas/quotas.ts'
import type { Revision, RevisionDelivery } from '#api/schemas/revisions.ts'
import type { ServiceDetail, ServiceSummary } from '#api/schemas/services.ts'
import type {
  AddIssuerBody,
  ExternalIssuer,
  IssuedCertificate,
  RootRequest,
  Rotation,
  StartRotationBody,
  Trust,
} from '#api/schemas/trust.ts'
import type { MeshSettings } from '#mesh/settings.ts'
import type { JoinRequest, JoinResponse } from '#mesh/join.ts'
import type { AuditFilter, AuditPosition, Initiator } from './audit.ts'
import type {
  CommitRequest,
  CommitResult,
  ConfigurationChanges,
  ObjectFilter,
  StoredDocument,
} from './configuration.ts'
import type { NewMesh } from './create-mesh.ts'
import type { NewJoinToken } from './join-tokens.ts'
import type { NewMachineToken } from './machine-tokens.ts'
import type { QuotaFilter, QuotaPlace } from './limits/list-quota-uses.ts'
import type { NewPublishGrant } from './publishing/publish-grants.ts'
import type { OutdatedAgent } from './outdated-agents.ts'
import type { Outcome } from './refusal.ts'
import type { DocumentDiff } from './revisions.ts'
import type { HostQuery, OfferedHost, ServiceFilter } from './service-list.ts'

/** What the directory of meshes shows of a mesh. */
export interface MeshFacts {
  readonly settings: MeshSettings
  readonly revision: number
  readonly clusters: number
  readonly createdAtMs: number
}

/** A place in a list that is sorted by time of making and id, newest first. */
export interface CreationPlace {
  readonly createdAt: number
  readonly id: string
}

/** What an agent said to a question, as JSON. */
export interface AgentAnswers {
  readonly answers: readonly string[]
  /** Why there is not one of every replica, or not one at all. */
  readonly missing: 'agent_unavailable' | 'agent_timeout' | null
}

/**
 * What the Error says that a store throws which is not there, though the directory has the mesh: making or deleting it was cut off, or
 * is going on. (Errors lose their class between Worker and object, not their message.)
 */
export const NOT_CREATED = 'the mesh has not been created'

/** What the Error begins with that a store throws whose schema is newer than this code: it was served by a newer plane, and is left alone. */
export const NEWER_SCHEMA = 'a newer version of the plane has written the mesh'

/**
 * One mesh: the store of record of its configuration, trust, clusters and audit, and the end of its agents' uplinks. Each write is one
 * transaction. Nobody outside this folder knows what is behind it: how many objects, and where.
 */
export interface MeshStore {
  /** Refused as `already_exists` when it has been created, as `conflict` when it is being deleted. */
  create(mesh: NewMesh, by: Initiator): Promise<Outcome<MeshFacts>>
  facts(): Promise<MeshFacts>
  updateSettings(changes: UpdateMeshBody, by: Initiator): Promise<Outcome<MeshFacts>>
  /** For good. Refused while clusters are in the mesh. Answers the end that its audit log had. */
  destroy(): Promise<Outcome<AuditPlace | null>>

  readConfiguration(since: number | null): Promise<ConfigurationChanges>
  findObject(key: string): Promise<StoredDocument | null>
  /** What clusters say is wrong with an object. */
  listObjectStatus(key: string): Promise<ObjectStatus[]>
  /** Clusters whose agents, of those that are connected, do not know all that this version does. */
  listOutdatedAgents(): Promise<readonly OutdatedAgent[]>
  listObjects(filter: ObjectFilter, after: string, limit: number): Promise<StoredDocument[]>
  commit(request: CommitRequest, by: Initiator): Promise<Outcome<CommitResult>>

  listRevisions(before: number, limit: number): Promise<Revision[]>
  findRevision(revision: number): Promise<{ readonly revision: Revision; readonly changes: ObjectChange[] } | null>
  diffRevisions(from: number, to: number, afterKey: string, limit: number): Promise<Outcome<DocumentDiff[]>>
  /** Answers when the delivery is complete, or its version is not `after`, or the time is up. */
  waitForDelivery(revision: number, after: string | null, waitMs: number): Promise<RevisionDelivery>

  listClusters(after: string, limit: number): Promise<Cluster[]>
  findCluster(name: string): Promise<Cluster | null>
  evictCluster(name: string, by: Initiator): Promise<Outcome<null>>
  confirmHold(cluster: string, hold: string, by: Initiator): Promise<Outcome<null>>
  /** Asks every connected replica of a cluster. */
  askAgents(cluster: string, query: AgentQuery): Promise<AgentAnswers>

  createJoinToken(token: NewJoinToken, by: Initiator): Promise<Outcome<JoinToken>>
  listJoinTokens(before: CreationPlace, limit: number): Promise<JoinToken[]>
  revokeJoinToken(id: string, by: Initiator): Promise<Outcome<null>>
  join(request: JoinRequest, by: Pick<Initiator, 'requestId' | 'client'>): Promise<Outcome<JoinResponse>>

  createMachineToken(cluster: string, token: NewMachineToken, by: Initiator): Promise<Outcome<MachineToken>>
  listMachineTokens(cluster: string, before: CreationPlace, limit: number): Promise<Outcome<MachineToken[]>>
  revokeMachineToken(cluster: string, id: string, by: Initiator): Promise<Outcome<null>>

  /** What was granted before is answered as it is. */
  createPublishGrant(grant: NewPublishGrant, by: Initiator): Promise<Outcome<PublishGrant>>
  listPublishGrants(before: CreationPlace, limit: number): Promise<PublishGrant[]>
  revokePublishGrant(id: string, by: Initiator): Promise<Outcome<null>>

  /** How many private keys there are, and how many are not sealed with this key-encryption key yet. */
  countSealed(currentId: string): Promise<{ readonly keys: number; readonly pending: number }>
  readTrust(): Promise<Trust>
  addIssuer(body: AddIssuerBody, by: Initiator): Promise<Outcome<ExternalIssuer>>
  removeIssuer(name: string, by: Initiator): Promise<Outcome<null>>
  /** The rotation of the root that is under way, or that was last. */
  readRotation(): Promise<Rotation | null>
  /** One that waits is answered as it is. */
  createRootRequest(by: Initiator): Promise<Outcome<RootRequest>>
  removeRootRequest(by: Initiator): Promise<Outcome<null>>
  /** What is done already is answered as it is. */
  startRotation(body: StartRotationBody, by: Initiator): Promise<Outcome<Rotation>>
  pauseRotation(paused: boolean, by: Initiator): Promise<Outcome<Rotation>>
  rollBackRotation(by: Initiator): Promise<Outcome<Rotation>>
  continueRotation(without: string, by: Initiator): Promise<Outcome<Rotation>>
  listCertificates(
    cluster: string | null,
    before: number,
    limit: number,
  ): Promise<{ readonly number: number; readonly certificate: IssuedCertificate }[]>

  listServices(filter: ServiceFilter, after: string, limit: number): Promise<ServiceSummary[]>
  findService(key: string): Promise<ServiceDetail | null>
  /** What consumers have used of quotas in a day, by limit and consumer. */
  listQuotaUses(filter: QuotaFilter, after: QuotaPlace, limit: number): Promise<QuotaUse[]>
  /** The keys ("<namespace>/<hostname>", the namespace being the client's) of the hosts that some cluster offers to clients there. */
  findOffered(hosts: readonly HostQuery[]): Promise<OfferedHost[]>
  /** In which namespaces some cluster has a service of these host names, wildcards as they are written. */
  findNamespacesOf(hostnames: readonly string[]): Promise<HostQuery[]>

  listAudit(filter: AuditFilter, position: AuditPosition, limit: number): Promise<AuditEvent[]>
  readAuditChain(): Promise<AuditChain>

  /** Answers a WebSocket upgrade of an agent. */
  fetch(request: Request): Promise<Response>
}

export type AgentQuery =
  | { readonly kind: 'proxies' | 'absent-proxies' }
  | { readonly kind: 'proxy-config'; readonly proxy: string }

export const openMeshStore = (env: Cloudflare.Env, meshId: string): MeshStore =>
  env.MESH.get(env.MESH.idFromName(meshId))
