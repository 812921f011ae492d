export const proxyRoles = ['sidecar', 'east-west-gateway', 'gateway'] as const
export type ProxyRole = (typeof proxyRoles)[number]
export const isProxyRole = (text: string): text is ProxyRole => proxyRoles.some((role) => role === text)

/** What a proxy is: from the token that it authenticated with and the workload behind it, never from its node metadata. */
export interface Proxy {
  /** `gateway`: what Gateway objects make of it, for clients from outside or to servers outside. */
  readonly role: ProxyRole
  readonly namespace: string
  readonly serviceAccount: string
  /** Name of the workload (WorkloadEntry, pod) in its namespace. */
  readonly workload: string
}

/** Unique in a cluster: "<role>/<namespace>/<workload>". */
export const toProxyName = (proxy: Proxy): string => `${proxy.role}/${proxy.namespace}/${proxy.workload}`

/** Names of the secrets that the agent serves by SDS to every proxy that may have them. */
export const secretNames = {
  /** The proxy's own leaf and key. */
  identity: 'default',
  /** The intermediates that are trusted, without a SAN matcher: Envoy clusters bring their own. */
  trust: 'trust',
  /** The same with a matcher that demands the DNS name of some cluster of the mesh: for listeners. */
  trustPeers: 'trust-peers',
  /** The external issuers that are trusted in this cluster, without a SAN matcher. Never together with the intermediates (docs/decisions/0013). */
  externalTrust: 'external-trust',
  /** The same with a matcher that demands a SPIFFE ID of the trust domain: for listeners. */
  externalPeers: 'external-peers',
} as const

/**
 * Secret with the certificate authorities that the agent's machine trusts, for TLS to servers outside of the mesh. Not among those that
 * every proxy has: it is large, and asked for only where a DestinationRule originates TLS.
 */
export const systemTrustSecret = 'system-trust'

/**
 * What a `credentialName` means to a proxy: certificate and key, or the authorities that the other side is verified by. A client's are parts
 * of their own: what is gone is replaced for a client, and goes on with a server. So are the authorities of a client that shows the
 * certificate of the same Secret: they are not to be had without it.
 */
export type CredentialPart =
  | 'certificate'
  | 'authorities'
  | 'client-certificate'
  | 'client-authorities'
  | 'mutual-authorities'

/** The secret with one part of what a `credentialName` means. */
export const toCredentialSecret = (namespace: string, name: string, part: CredentialPart): string =>
  `${part}/${namespace}/${name}`
