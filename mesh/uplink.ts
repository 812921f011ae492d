import { z } from 'zod'
import { configObject } from './config-object.ts'
import { clusterName, meshName, networkName } from './names.ts'
import { proxyPolicies } from './security/proxy-policies.ts'
import { catalogEntry, gatewayAddress } from './service.ts'
import { stateChange } from './state.ts'
import { condition } from './status/condition.ts'
import { trustReport } from './trust.ts'

/**
 * The uplink: one WebSocket from an agent replica to the control plane, JSON text messages, every one checked against
 * these schemas by who receives it. Protocol history:
 *   1  first version
 * A peer that speaks a newer protocol is told the highest one we know; capabilities, not versions, switch features.
 *
 * Order on a session: plane `challenge` → agent `hello` → plane `welcome` → plane `changes`* (resume, or snapshot when
 * `welcome.sync` says so) and from then on either side as events happen. `ping`/`pong` are the literal texts below, so that
 * the plane answers without waking up.
 */
export const UPLINK_PROTOCOL = 1
export const UPLINK_PING = 'ping'
export const UPLINK_PONG = 'pong'
/** Neither side sends a longer message (characters); longer content is split over `more: true` chunks. */
export const UPLINK_MAX_MESSAGE_CHARS = 512 * 1024
/**
 * A service with its endpoints is not split: one that is longer is cut by the agent and refused by the plane (characters of JSON). At
 * three bytes each it is under half of the largest row that the plane can store (docs/limits.md).
 */
export const UPLINK_MAX_ENTRY_CHARS = 320 * 1024
/** A cluster's gateways and namespaces are not split either: as many as fit into a message. */
export const UPLINK_MAX_GATEWAYS = 64
export const UPLINK_MAX_NAMESPACES = 5000
/** Of one cluster; more are counted. */
export const UPLINK_MAX_OBJECT_PROBLEMS = 200
/** What a chunk of a split message aims at (characters). */
export const UPLINK_CHUNK_CHARS = 128 * 1024

/**
 * What a peer understands beyond the first version, told in `challenge` and `hello`. `publish`: an agent sends its cluster's objects that
 * ask to be published to a plane that has it, and a plane answers `published` to an agent that has it. `absent-proxies`: an agent answers the
 * query of this name. `object-problems`, `objects-judged`: an agent sends this message to a plane that has it. `gateway-proxies`,
 * `machine-groups`: a plane tells of machine tokens of the role `gateway`, and of WorkloadGroups, to an agent that has it. `telemetry`: a plane
 * gives an agent that has it a token for telemetry. `trust-report`: an agent says to a plane that has it how far its proxies are with the trust, and a
 * plane tells an agent that has it which intermediate it is to sign with. `leases`: an agent asks a plane that has it for parts of limits of the scope
 * MESH, and a plane tells an agent that has it of such limits. `policies`: an agent does what objects say of who may call, and how much
 * (mesh/agent-needs.ts); one that does not have it takes them, and does nothing.
 */
export const UPLINK_CAPABILITIES = [
  'publish',
  'absent-proxies',
  'object-problems',
  'gateway-proxies',
  'machine-groups',
  'objects-judged',
  'telemetry',
  'trust-report',
  'leases',
  'policies',
] as const
export type UplinkCapability = (typeof UPLINK_CAPABILITIES)[number]
/** Asks in one message: more go into the next. */
export const UPLINK_MAX_LEASE_ASKS = 500
/** What one replica asks of leases: so many at once, and so many a second. A plane ends a session that asks for much more. */
export const UPLINK_LEASE_PACE = { burst: 10_000, perSecond: 2_000 } as const
export const UPLINK_MAX_CONSUMER_CHARS = 256
/** Objects that one cluster may ask to have published, and their JSON together (characters); an agent cuts what is more. */
export const UPLINK_MAX_PUBLISHED = 1000
export const UPLINK_MAX_PUBLISHED_CHARS = 4 * 1024 * 1024
/** Of one of them (characters of JSON): it is not split. */
export const UPLINK_MAX_OBJECT_CHARS = 480 * 1024

/** A place in the plane's change log. Another epoch = another history (a restored plane): never compare sequences across. */
export const position = z.object({ epoch: z.string().max(64), sequence: z.int().min(0) }).readonly()
export type Position = z.infer<typeof position>

/** Where a cluster's report stands: sequences count within one boot of one reporter. */
export const reportPosition = z.object({ boot: z.string().max(64), sequence: z.int().min(0) }).readonly()
export type ReportPosition = z.infer<typeof reportPosition>

// ── plane → agent ────────────────────────────────────────────────────────────────────────────────────────────────

const challenge = z.object({
  type: z.literal('challenge'),
  /** Base64url, 32 random bytes, good for one answer on this socket. */
  nonce: z.string(),
  protocol: z.int(),
  capabilities: z.array(z.string()),
})

const welcome = z.object({
  type: z.literal('welcome'),
  session: z.string(),
  epoch: z.string(),
  /** `resume`: changes since the position in `hello`. `snapshot`: everything, and what is not in it is gone. */
  sync: z.enum(['resume', 'snapshot']),
  /** Fencing term and replica of the reporter that the plane last accepted; term 0 = never had one. */
  reporter: z.object({ term: z.int(), replica: z.string().nullable(), connected: z.boolean() }),
  /** What the plane has of this cluster's catalog; null = nothing. */
  reported: reportPosition.nullable(),
})

/** State changes. Chunks of one batch carry `more: true` but the last; a batch is applied whole, or not at all. */
const changes = z.object({
  type: z.literal('changes'),
  mode: z.enum(['delta', 'snapshot']),
  /** The position after this batch. */
  position,
  /** The head revision of the configuration that this batch completes. */
  revision: z.int().min(0),
  items: z.array(stateChange),
  more: z.boolean(),
})

const claimed = z.object({
  type: z.literal('claimed'),
  term: z.int(),
  granted: z.boolean(),
  reported: reportPosition.nullable(),
  /** What the plane has of the objects that this cluster asks to have published; null or absent = it needs all of them. */
  published: reportPosition.nullable().optional(),
})
const reportAck = z.object({ type: z.literal('report-ack'), position: reportPosition })
/** The report would remove more than the guard allows: it is kept aside until a person confirms `hold`. */
const reportHeld = z.object({
  type: z.literal('report-held'),
  position: reportPosition,
  hold: z.string(),
  reason: z.string(),
})
const publishAck = z.object({ type: z.literal('publish-ack'), position: reportPosition })

/** What became of one object that asks to be published. */
export const publication = z.object({
  key: z.string(),
  /** `published`, `not_granted`, `refused`, `shadowed` (the API's object of that key holds), `conflict` (another cluster's does), or what later planes say. */
  state: z.string(),
  /** The revision that brought it into the mesh as it is there; absent = it is not there. */
  revision: z.int().optional(),
  /** Where in the object something is wrong. */
  path: z.string().optional(),
  /** For a person; absent when there is nothing to say. */
  message: z.string().optional(),
})
export type Publication = z.infer<typeof publication>
/**
 * What became of all objects that this cluster asks to have published, and what it may publish: each time that any of it changes, and when its
 * reporter begins, which tells nothing of its objects before it has heard this.
 */
const published = z.object({
  type: z.literal('published'),
  publications: z.array(publication),
  /** Of its grants, `*` = any; in the last chunk. */
  grants: z.array(z.object({ namespace: z.string(), kind: z.string() })).optional(),
  more: z.boolean(),
})
const vacancy = z.object({ type: z.literal('vacancy'), term: z.int() })
const issued = z.object({
  type: z.literal('issued'),
  request: z.string(),
  certificatePem: z.string(),
  rootsPem: z.array(z.string()),
})
const query = z.object({
  type: z.literal('query'),
  request: z.string(),
  query: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('proxies') }),
    z.object({ kind: z.literal('proxy-config'), proxy: z.string() }),
    /** `absentProxies` is the answer. Only for an agent with this capability. */
    z.object({ kind: z.literal('absent-proxies') }),
  ]),
})
/**
 * What telemetry is sent to the plane with (docs/decisions/0021): after `welcome`, and again before it expires; the newest counts. Only to an
 * agent with the capability `telemetry`.
 */
const telemetryToken = z.object({
  type: z.literal('telemetry-token'),
  token: z.string().max(4096),
  expiresAt: z.string(),
})
/** Which count of which limit: "RateLimit/<namespace>/<object>/<limit>", and who it is of. */
const leased = { limit: z.string().max(640), consumer: z.string().max(UPLINK_MAX_CONSUMER_CHARS) }

const leaseGrant = z.object({
  ...leased,
  /** How many requests the replica may let through … */
  tokens: z.int().min(0),
  /** … within this time from when it asked. */
  forMs: z.int().min(0),
  /** It is to ask again in this time, at the earliest; 0 = there is more. */
  againMs: z.int().min(0),
  /** Of a quota: the day since the epoch that it is of, and in what time that ends. */
  day: z.int().optional(),
  endsMs: z.int().min(0).optional(),
  /** Why there is no count: there is no such limit, or no room for another count. */
  none: z.enum(['gone', 'full']).optional(),
})
export type LeaseGrant = z.infer<typeof leaseGrant>
/** The answer to `lease`, only to an agent with the capability `leases`. */
const leases = z.object({
  type: z.literal('leases'),
  /** How many replicas of agents may ask for the same. */
  replicas: z.int().min(1),
  grants: z.array(leaseGrant).max(UPLINK_MAX_LEASE_ASKS),
})
/** A person confirmed a held step of the agent (a suspicious restore, a mass removal). */
const confirm = z.object({ type: z.literal('confirm'), hold: z.string() })
const refused = z.object({
  type: z.literal('refused'),
  code: z.enum([
    'bad_message',
    'bad_signature',
    'unknown_cluster',
    'evicted',
    'protocol_too_new',
    'protocol_too_old',
    'stale_term',
    'rate_limited',
    'too_large',
    'replaced',
    'csr_refused',
    'internal',
  ]),
  message: z.string(),
  /** The request that it answers, if it answers one. */
  request: z.string().optional(),
  retryAfterSeconds: z.number().optional(),
})

export const planeMessage = z.discriminatedUnion('type', [
  challenge,
  welcome,
  changes,
  claimed,
  reportAck,
  reportHeld,
  publishAck,
  published,
  vacancy,
  issued,
  query,
  telemetryToken,
  leases,
  confirm,
  refused,
])
export type PlaneMessage = z.infer<typeof planeMessage>

// ── agent → plane ────────────────────────────────────────────────────────────────────────────────────────────────

const hello = z.object({
  type: z.literal('hello'),
  mesh: meshName,
  cluster: clusterName,
  /** Unique to one replica over its restarts. */
  replica: z.string().min(1).max(128),
  protocol: z.int(),
  capabilities: z.array(z.string().max(64)).max(64),
  agentVersion: z.string().max(64),
  position: position.nullable(),
  /** Base64url ECDSA P-256 (IEEE P1363) over `toHelloPayload`. */
  signature: z.string().max(256),
})

const ack = z.object({ type: z.literal('ack'), position })
/** "I am the reporter under this term." Granted iff the term is above the plane's, or equal and of the same replica. */
const claim = z.object({ type: z.literal('claim'), term: z.int().min(1) })

/**
 * The cluster's catalog. `full` replaces all that the plane has of the cluster; `delta` changes single services. Chunks carry
 * `more: true` but the last; the plane commits a batch whole and answers `report-ack`. What is said of the cluster itself
 * (network, gateways, namespaces) is in the first chunk.
 */
const report = z.object({
  type: z.literal('report'),
  term: z.int(),
  mode: z.enum(['full', 'delta']),
  position: reportPosition,
  upserts: z.array(catalogEntry),
  removes: z.array(z.string()),
  /** Addresses of this cluster's east-west gateways; absent = unchanged. */
  gateways: z.array(gatewayAddress).max(UPLINK_MAX_GATEWAYS).optional(),
  network: networkName,
  /** Namespaces that exist here (what exportTo is judged by). Absent = unchanged. */
  namespaces: z.array(z.string()).max(UPLINK_MAX_NAMESPACES).optional(),
  /**
   * The hold of this agent that a person confirmed: the removal it asked about is in this report. It needs no second question if the plane
   * knows of that confirmation, which is good for one report.
   */
  confirmed: z.string().max(128).optional(),
  more: z.boolean(),
})

/**
 * The objects of this cluster that ask to be published mesh-wide. `full` is all of them, `delta` what changed since the position that the
 * plane acknowledged last. Objects count as they come; what a `full` one does not name is gone with its last chunk.
 */
const publish = z.object({
  type: z.literal('publish'),
  term: z.int(),
  mode: z.enum(['full', 'delta']),
  position: reportPosition,
  upserts: z.array(configObject),
  /** Object keys. */
  removes: z.array(z.string().max(512)),
  more: z.boolean(),
})

/** "<role>/<namespace>/<workload>": a namespace has 63 characters at most, a workload 253. */
const proxyName = z.string().max(384)

export const nack = z.object({
  proxy: proxyName,
  typeUrl: z.string(),
  resources: z.array(z.string()).max(20),
  reason: z.string().max(2048),
  revision: z.int(),
})
export type Nack = z.infer<typeof nack>

export const delivery = z.object({
  /** The newest revision that the agent has compiled for all of its proxies. */
  compiled: z.int().min(0),
  /** Connected proxies of this replica. */
  proxies: z.int().min(0),
  /**
   * The proxies that have started in this cluster and are not to end, as far as this replica knows, connected to whichever replica: how many there
   * are, and how many of them are connected here. Absent = the agent does not know of proxies before they connect.
   */
  started: z.object({ proxies: z.int().min(0), here: z.int().min(0) }).optional(),
  /** Revision → number of proxies whose newest live revision it is; at most 32 entries, older ones added to the oldest. */
  live: z.array(z.object({ revision: z.int(), proxies: z.int() })).max(32),
  /** The proxies that are furthest behind, by name. */
  laggards: z.array(z.object({ proxy: proxyName, revision: z.int(), waitingFor: z.string().max(256) })).max(20),
  nacks: z.array(nack).max(20),
})
export type Delivery = z.infer<typeof delivery>

const deliveryReport = z.object({ type: z.literal('delivery'), delivery })

/** Something the agent will not do before a person confirms it. Empty list = nothing is held any more. */
export const hold = z.object({
  id: z.string().max(128),
  kind: z.enum(['restored-plane', 'mass-removal']),
  reason: z.string().max(2048),
  /** How many endpoints a mass removal would take away: who confirms it agrees to no more. Absent = an agent that does not say. */
  endpoints: z.int().min(0).optional(),
  since: z.string(),
})
export type Hold = z.infer<typeof hold>
const holds = z.object({ type: z.literal('holds'), holds: z.array(hold).max(20) })

/** What this cluster's probes say of other clusters' gateways. */
const probes = z.object({
  type: z.literal('probes'),
  results: z
    .array(z.object({ cluster: clusterName, address: z.string(), port: z.int(), reachable: z.boolean() }))
    .max(1000),
})

/**
 * What is not as it should be in this cluster with objects of the mesh: all of it, replacing what was said before. From the reporter, to
 * a plane with the capability `object-problems`.
 */
const objectProblems = z.object({
  type: z.literal('object-problems'),
  /** The worst first. `key`: of the object, "<kind>/<namespace>/<name>". */
  problems: z.array(z.object({ key: z.string().max(512), condition })).max(UPLINK_MAX_OBJECT_PROBLEMS),
  /** How many more there are. */
  omitted: z.int().min(0),
  /** The newest of the configuration's revisions at which all objects were judged; absent = an older agent. */
  revision: z.int().min(0).optional(),
})
export type ObjectProblems = Omit<z.infer<typeof objectProblems>, 'type'>

/** At this revision the same as was said last in `objectProblems`. From the reporter, where that was something. */
const objectsJudged = z.object({ type: z.literal('objects-judged'), revision: z.int().min(0) })

/** To a plane with the capability `trust-report`. */
const trust = z.object({ type: z.literal('trust'), report: trustReport })

const leaseAsk = z.object({
  ...leased,
  /** How many requests it has use for. */
  want: z.int().min(0),
  /** How many of what it was given it has no use for any more. */
  back: z.int().min(0),
  /** How many it let through beyond what it was given. */
  ahead: z.int().min(0),
  /** The day of the quota that these two are of; absent = it knows of none. */
  day: z.int().optional(),
})
export type LeaseAsk = z.infer<typeof leaseAsk>
/** To a plane with the capability `leases`, which answers every one with `leases`. */
const lease = z.object({ type: z.literal('lease'), asks: z.array(leaseAsk).max(UPLINK_MAX_LEASE_ASKS) })

const csr = z.object({ type: z.literal('csr'), request: z.string().max(64), csrPem: z.string().max(16_384) })

/** Names of the started proxies (see `delivery`) that are not connected to this replica, in order: the first so many. */
export const absentProxies = z.array(proxyName).max(10_000)

export const proxyStatus = z.object({
  name: z.string(),
  cluster: clusterName,
  role: z.string(),
  namespace: z.string(),
  workload: z.string(),
  serviceAccount: z.string(),
  replica: z.string(),
  envoyVersion: z.string(),
  connectedAt: z.string(),
  revision: z.int(),
  synced: z.boolean(),
  types: z.array(z.object({ typeUrl: z.string(), resources: z.int(), state: z.enum(['synced', 'pending', 'nacked']) })),
  nacks: z.array(nack),
})
export type ProxyStatus = z.infer<typeof proxyStatus>

/** What an agent serves one proxy: the answer to the query `proxy-config`. `body` is the Envoy resource in protobuf's JSON form, secrets left out. */
export const proxyConfig = z.object({
  name: z.string(),
  cluster: clusterName,
  revision: z.int(),
  resources: z.array(
    z.object({ typeUrl: z.string(), name: z.string(), version: z.string(), body: z.record(z.string(), z.unknown()) }),
  ),
  /** Who says what its filters of access ask; absent: its workload is not known, or the agent is of an older version. */
  policies: proxyPolicies.optional(),
})
export type ProxyConfig = z.infer<typeof proxyConfig>

/** The answer to a `query`; split by `more`, the JSON text of `body` is cut into `part`s. */
const answer = z.object({
  type: z.literal('answer'),
  request: z.string(),
  ok: z.boolean(),
  part: z.string(),
  more: z.boolean(),
})

export const agentMessage = z.discriminatedUnion('type', [
  hello,
  ack,
  claim,
  report,
  publish,
  deliveryReport,
  holds,
  probes,
  objectProblems,
  objectsJudged,
  trust,
  lease,
  csr,
  answer,
])
export type AgentMessage = z.infer<typeof agentMessage>

/** The bytes that a `hello` signs: bound to the purpose, the mesh, the cluster, the replica and the plane's nonce. */
export const toHelloPayload = (hello: {
  mesh: string
  cluster: string
  replica: string
  nonce: string
  protocol: number
}): string =>
  ['atoll-uplink-hello', String(hello.protocol), hello.mesh, hello.cluster, hello.replica, hello.nonce].join('\n')
