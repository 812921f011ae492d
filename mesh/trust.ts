import { z } from 'zod'
import { clusterName, type ClusterName } from './names.ts'

/**
 * A CA that the mesh's root has signed and that is no cluster of the mesh, such as istiod's: its leaves carry a SPIFFE ID and no DNS name
 * (docs/decisions/0013). It is trusted in the clusters that it names, and nowhere else.
 */
const externalIssuer = z
  .object({ name: z.string(), clusters: z.array(clusterName).readonly(), pem: z.string() })
  .readonly()
export type ExternalIssuer = z.infer<typeof externalIssuer>

/** What the mesh's proxies and agents trust: travels to every agent as the state item `trust`. */
export const trustState = z
  .object({
    /** The root certificates (PEM); two while the root is being rotated. Agents verify intermediates against them. */
    roots: z.array(z.string()).readonly(),
    /** The intermediates of the clusters that are in the mesh now. What proxies trust, and nothing else. */
    intermediates: z.array(z.object({ cluster: clusterName, pem: z.string() }).readonly()).readonly(),
    /** Absent = none. An agent that does not know of them trusts none of their leaves. */
    issuers: z.array(externalIssuer).readonly().optional(),
    /** Raised by an eviction, and by the removal of an issuer: agents put it into listeners and Envoy clusters, so that existing connections are closed. */
    epoch: z.int().min(0),
  })
  .readonly()
export type TrustState = z.infer<typeof trustState>

/** The external issuers whose leaves are believed in a cluster. */
export const issuersIn = ({ issuers = [] }: TrustState, cluster: ClusterName): readonly ExternalIssuer[] =>
  issuers.filter(({ clusters }) => clusters.includes(cluster))
