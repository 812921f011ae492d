import type { RouteName } from './openapi.ts'
import type { Token, TokenRole, TokenScopes } from './schemas/tokens.ts'

export type Confinement = keyof TokenScopes

/** Who may call a route. */
export interface Access {
  readonly roles: readonly TokenRole[]
  /**
   * What a token may be confined to and still call it: about its own mesh, cluster or namespace alone. A token that is confined to
   * anything else may not. Empty = only tokens of the whole org may.
   */
  readonly confined: readonly Confinement[]
}

/** `open`: needs no token, because what is in the request, or in the messages that follow, authenticates. */
export type RouteAccess = Access | 'open'

const owners = ['owner'] as const
const admins = [...owners, 'admin'] as const
const editors = [...admins, 'editor'] as const
const readers = [...editors, 'viewer'] as const
const senders = [...admins, 'telemetry'] as const
const everybody = [...readers, 'telemetry'] as const

const byMesh = ['mesh'] as const
const byCluster = ['mesh', 'cluster'] as const
const byNamespace = ['mesh', 'namespace'] as const
const byAll = ['mesh', 'cluster', 'namespace'] as const

/**
 * Who may do what, in one place: the plane follows it, docs/reference/access.md is written from it. A route that is not in it does not
 * compile, and one that comes to be served all the same is refused. docs/decisions/0024-who-may-do-what.md
 */
export const routeAccess: Readonly<Record<RouteName, RouteAccess>> = {
  health: 'open',
  setup: 'open',
  getWhoami: { roles: everybody, confined: byAll },
  getUsage: { roles: readers, confined: [] },
  deleteOrg: { roles: owners, confined: [] },
  getKeyEncryption: { roles: admins, confined: [] },

  listTokens: { roles: readers, confined: byMesh },
  createToken: { roles: admins, confined: byMesh },
  // Any its own; others as with the making of them.
  revokeToken: { roles: everybody, confined: byAll },

  listMembers: { roles: readers, confined: [] },
  createMember: { roles: admins, confined: [] },
  updateMember: { roles: admins, confined: [] },
  removeMember: { roles: admins, confined: [] },
  getSignIn: { roles: readers, confined: [] },
  setSignIn: { roles: owners, confined: [] },
  removeSignIn: { roles: owners, confined: [] },
  beginSignIn: 'open',
  beginSession: 'open',
  endSignIn: 'open',
  redeemSignIn: 'open',
  beginDeviceSignIn: 'open',
  redeemDeviceSignIn: 'open',
  // One's own.
  listSessions: { roles: readers, confined: byAll },
  endSession: { roles: readers, confined: byAll },

  listMeshes: { roles: readers, confined: byNamespace },
  createMesh: { roles: admins, confined: [] },
  getMesh: { roles: readers, confined: byNamespace },
  updateMesh: { roles: admins, confined: byMesh },
  deleteMesh: { roles: admins, confined: byMesh },

  listClusters: { roles: readers, confined: byMesh },
  getCluster: { roles: readers, confined: byCluster },
  evictCluster: { roles: owners, confined: byCluster },
  confirmHold: { roles: admins, confined: byCluster },
  listJoinTokens: { roles: readers, confined: byMesh },
  createJoinToken: { roles: admins, confined: byCluster },
  revokeJoinToken: { roles: admins, confined: byMesh },
  listMachineTokens: { roles: readers, confined: byCluster },
  createMachineToken: { roles: admins, confined: byCluster },
  revokeMachineToken: { roles: admins, confined: byCluster },

  applyConfiguration: { roles: editors, confined: byNamespace },
  listConfiguration: { roles: readers, confined: byNamespace },
  getConfigurationObject: { roles: readers, confined: byNamespace },
  deleteConfigurationObject: { roles: editors, confined: byNamespace },
  listPublishGrants: { roles: readers, confined: byMesh },
  createPublishGrant: { roles: admins, confined: byMesh },
  revokePublishGrant: { roles: admins, confined: byMesh },
  listRevisions: { roles: readers, confined: byNamespace },
  getRevision: { roles: readers, confined: byNamespace },
  diffRevision: { roles: readers, confined: byNamespace },
  rollBackToRevision: { roles: editors, confined: byNamespace },
  getRevisionDelivery: { roles: readers, confined: byNamespace },

  listServices: { roles: readers, confined: byAll },
  getService: { roles: readers, confined: byNamespace },
  listQuotas: { roles: readers, confined: byNamespace },
  listProxies: { roles: readers, confined: byAll },
  getProxy: { roles: readers, confined: byAll },
  getProxyConfig: { roles: readers, confined: byAll },

  getTrust: { roles: readers, confined: byMesh },
  listCertificates: { roles: readers, confined: byCluster },
  addIssuer: { roles: owners, confined: byMesh },
  removeIssuer: { roles: owners, confined: byMesh },
  getRotation: { roles: readers, confined: byMesh },
  getRootRequest: { roles: readers, confined: byMesh },
  createRootRequest: { roles: owners, confined: byMesh },
  removeRootRequest: { roles: owners, confined: byMesh },
  startRotation: { roles: owners, confined: byMesh },
  pauseRotation: { roles: owners, confined: byMesh },
  resumeRotation: { roles: owners, confined: byMesh },
  rollBackRotation: { roles: owners, confined: byMesh },
  continueRotation: { roles: owners, confined: byMesh },

  listAudit: { roles: readers, confined: byCluster },
  listOrgAudit: { roles: readers, confined: [] },
  getAuditChain: { roles: readers, confined: byMesh },
  getOrgAuditChain: { roles: readers, confined: [] },

  exportTelemetry: { roles: senders, confined: byCluster },
  listLogs: { roles: readers, confined: byAll },
  tailLogs: { roles: readers, confined: byAll },
  listTraces: { roles: readers, confined: byCluster },
  getTrace: { roles: readers, confined: byMesh },
  listServiceMetrics: { roles: readers, confined: byCluster },
  getMeshGraph: { roles: readers, confined: byCluster },
  getPrometheusQuery: { roles: readers, confined: byMesh },
  postPrometheusQuery: { roles: readers, confined: byMesh },
  getPrometheusQueryRange: { roles: readers, confined: byMesh },
  postPrometheusQueryRange: { roles: readers, confined: byMesh },
  getPrometheusSeries: { roles: readers, confined: byMesh },
  postPrometheusSeries: { roles: readers, confined: byMesh },
  getPrometheusLabels: { roles: readers, confined: byMesh },
  postPrometheusLabels: { roles: readers, confined: byMesh },
  getPrometheusLabelValues: { roles: readers, confined: byMesh },
  getPrometheusMetadata: { roles: readers, confined: byMesh },
  getPrometheusBuildInfo: { roles: readers, confined: byMesh },
  federateMetrics: { roles: readers, confined: byMesh },

  join: 'open',
  uplink: 'open',
}

/** What keeps who has a token from calling a route; undefined = nothing does, as far as the route alone tells. */
export const findBarrier = (
  access: RouteAccess | undefined,
  { role, scopes }: Pick<Token, 'role' | 'scopes'>,
): string | undefined => {
  if (access === 'open') return undefined
  // Role by role: what a token of a newer plane may do is not known here.
  if (!access?.roles.some((each) => each === role)) return toRoleBarrier(access, role)
  const beyond = confinements.find((each) => scopes[each] !== undefined && !access.confined.includes(each))
  return beyond && `the token is confined to the ${beyond} ${scopes[beyond]}`
}

const confinements: readonly Confinement[] = ['cluster', 'namespace', 'mesh']

const toRoleBarrier = (access: Access | undefined, role: Token['role']): string => {
  if (role === 'telemetry') return 'the token may only send telemetry'
  if (role === 'viewer') return 'a viewer may only read'
  return access ? `the role ${role} may not do this: ${access.roles.join(' or ')} may` : 'nobody may do this'
}

/** The roles that a token of a role may give to others. */
const grantable: Readonly<Record<TokenRole, readonly TokenRole[]>> = {
  owner: ['owner', 'admin', 'editor', 'viewer', 'telemetry'],
  admin: ['admin', 'editor', 'viewer', 'telemetry'],
  editor: [],
  viewer: [],
  telemetry: [],
}

type Power = Pick<Token, 'role' | 'scopes'>

/** Whether all that somebody may do is within what another one may, who can give and take it. */
export const isWithin = (power: Power, giver: Power): boolean =>
  (Object.hasOwn(grantable, giver.role) ? grantable[giver.role as TokenRole] : []).some(
    (role) => role === power.role,
  ) && confinements.every((each) => giver.scopes[each] === undefined || giver.scopes[each] === power.scopes[each])
