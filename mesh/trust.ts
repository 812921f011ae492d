import { z } from 'zod'
import { keyAlgorithm } from './key-algorithm.ts'
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
    /** Of two states of one mesh the newer one's is higher. Agents say which one their proxies hold (docs/decisions/0025). Absent = an older plane. */
    version: z.int().min(0).optional(),
  })
  .readonly()
export type TrustState = z.infer<typeof trustState>

/** The external issuers whose leaves are believed in a cluster. */
export const issuersIn = ({ issuers = [] }: TrustState, cluster: ClusterName): readonly ExternalIssuer[] =>
  issuers.filter(({ clusters }) => clusters.includes(cluster))

/** Lower-case hex SHA-256 of a certificate's DER form. */
const fingerprint = z.string().regex(/^[0-9a-f]{64}$/)

/**
 * Which intermediate a cluster is to sign with: travels to its own agents as the state item `issuance`. An agent that has not heard it does
 * what time demands (docs/decisions/0025).
 */
export const issuance = z
  .object({
    /** The root under which the cluster is to have an intermediate. One of another is asked to be replaced, and one that waits is dropped. */
    root: fingerprint,
    /** Intermediates of this cluster that every proxy of the mesh holds: one that waits and is among them signs. */
    settled: z.array(fingerprint).readonly(),
    /** Agents ask for a new one within this time, each when it likes: not all of them at once. */
    withinSeconds: z.int().min(0),
    /** What the intermediate's key is to be: one of another is asked to be replaced. Absent, or not known here = any. */
    intermediateKey: keyAlgorithm.optional().catch(undefined),
    /** What workloads' keys are to be. Absent, or not known here = the default. */
    leafKey: keyAlgorithm.optional().catch(undefined),
  })
  .readonly()
export type Issuance = z.infer<typeof issuance>

/** Of what an agent says of one thing, how many are named. */
export const TRUST_REPORT_NAMES = 8

/** How far one replica of an agent and its proxies are with the trust: replaces what it said before. */
export const trustReport = z.object({
  /** The version of the trust that the replica has verified, and has for its proxies. 0 = it had none that has a version. */
  version: z.int().min(0),
  /** Whom of it the replica does not trust, and why. */
  untrusted: z.array(z.object({ cluster: clusterName, reason: z.string().max(256) })).max(TRUST_REPORT_NAMES),
  /** The intermediate that signs leaves here; null = none that is valid. */
  signer: fingerprint.nullable(),
  /** The one that is to be next. */
  incoming: fingerprint.nullable(),
  /** Proxies that are connected to this replica, and those that have gone from it and may still run. */
  proxies: z.int().min(0),
  /** The version that each of them holds: that of the one that is furthest behind. */
  held: z.int().min(0),
  /** How many hold a leaf of another intermediate than `signer`. */
  otherLeaves: z.int().min(0),
  /** How many have not shown that they would know their agent by a certificate of `incoming`, where that is of another root than `signer`. */
  unproven: z.int().min(0),
  /** The first of those that keep any of this from being as it is to be. */
  laggards: z.array(z.object({ proxy: z.string().max(384), waitingFor: z.string().max(256) })).max(TRUST_REPORT_NAMES),
})
export type TrustReport = z.infer<typeof trustReport>
