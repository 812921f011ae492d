/** The endpoints of one upstream. */
export interface LoadAssignment {
  readonly upstream: string
  readonly localities: readonly LocalityEndpoints[]
}

export interface LocalityEndpoints {
  /** "region/zone/subzone"; "" when unknown. */
  readonly locality: string
  /** 0 is the highest; priorities of an assignment have no gaps. */
  readonly priority: number
  /** Its share of the traffic, where localities have shares. */
  readonly weight?: number
  readonly endpoints: readonly UpstreamEndpoint[]
}

/** The endpoints of one upstream of a service that tells nodes apart. */
export interface LoadAssignmentByNode {
  /** For clients on a node of which nothing is told. */
  readonly elsewhere: LoadAssignment
  readonly onNodes: ReadonlyMap<string, readonly PlacedEndpoints[]>
}

/** Endpoints as the clients on one node see them. There are many nodes, so they share what is the same for them. */
export interface PlacedEndpoints extends LocalityEndpoints {
  /** Shared by nodes. */
  readonly endpoints: readonly UpstreamEndpoint[]
  /** Indices of the endpoints that are not among them here, ascending; absent = all are. */
  readonly without?: readonly number[]
}

export interface UpstreamEndpoint {
  /** An IP address, "unix://<path>", or a host name where the proxy resolves it. */
  readonly address: string
  /** 0 with a Unix domain socket. */
  readonly port: number
  /** A share of the sum over the assignment's endpoints. */
  readonly weight: number
  /** No new connections. */
  readonly isDraining: boolean
  /** How it is spoken to: by mesh mTLS, the same with a peer of an external issuer (docs/decisions/0013), or in plaintext. */
  readonly transport: 'mesh' | 'external' | 'plaintext'
  /** It is another network's gateway, with the endpoints behind it. */
  readonly isGateway?: true
}
