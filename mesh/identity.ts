import type { ClusterName, TrustDomain } from './names.ts'

/** "spiffe://<trust domain>/ns/<namespace>/sa/<service account>" (SPIFFE-ID §2; Istio's path layout). */
export type SpiffeId = string & { readonly __brand: 'SpiffeId' }

export interface WorkloadIdentity {
  readonly namespace: string
  readonly serviceAccount: string
}

const spiffePath = /^spiffe:\/\/([^/]+)\/ns\/([^/]+)\/sa\/([^/]+)$/

export const toSpiffeId = (domain: TrustDomain, identity: WorkloadIdentity): SpiffeId =>
  `spiffe://${domain}/ns/${identity.namespace}/sa/${identity.serviceAccount}` as SpiffeId

/** The parts of a workload's SPIFFE ID, or undefined when the text is not one of Atoll's layout. */
export const parseSpiffeId = (text: string): (WorkloadIdentity & { readonly trustDomain: string }) | undefined => {
  const match = spiffePath.exec(text)
  if (!match) return undefined
  const [, domain = '', namespace = '', serviceAccount = ''] = match
  return { trustDomain: domain, namespace, serviceAccount }
}

/** What all names of clusters are below, and those of their workloads and agents: nobody but a cluster's intermediate may sign for it. */
export const toClustersDnsName = (domain: TrustDomain): string => `clusters.${domain}`

/** The DNS name that a cluster's intermediate is constrained to (RFC 5280 §4.2.1.10), and everything below it. */
export const toClusterDnsName = (cluster: ClusterName, domain: TrustDomain): string =>
  `${cluster}.${toClustersDnsName(domain)}`

/**
 * The DNS name of one service account in one cluster: "<sa>.<ns>.<cluster>.clusters.<trust domain>".
 * It lies inside the intermediate's name constraint, so matching this one name proves account *and* cluster; Envoy joins
 * several SAN matchers with OR, so a URI matcher beside a DNS matcher would prove either (docs/decisions/0003).
 * A namespace has no dots, a service account may: the name reads unambiguously from the right.
 */
export const toWorkloadDnsName = (identity: WorkloadIdentity, cluster: ClusterName, domain: TrustDomain): string =>
  `${identity.serviceAccount}.${identity.namespace}.${toClusterDnsName(cluster, domain)}`

/** The DNS name of a cluster's agent, which proxies dial for xDS. `_agent` can't be a namespace. */
export const toAgentDnsName = (cluster: ClusterName, domain: TrustDomain): string =>
  `xds._agent.${toClusterDnsName(cluster, domain)}`
