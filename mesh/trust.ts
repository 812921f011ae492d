import { z } from 'zod'
import { clusterName } from './names.ts'

/** What the mesh's proxies and agents trust: travels to every agent as the state item `trust`. */
export const trustState = z
  .object({
    /** The root certificates (PEM); two while the root is being rotated. Agents verify intermediates against them. */
    roots: z.array(z.string()).readonly(),
    /** The intermediates of the clusters that are in the mesh now. What proxies trust, and nothing else. */
    intermediates: z.array(z.object({ cluster: clusterName, pem: z.string() }).readonly()).readonly(),
    /** Raised by an eviction: agents put it into listeners and Envoy clusters, so that existing connections are closed. */
    epoch: z.int().min(0),
  })
  .readonly()
export type TrustState = z.infer<typeof trustState>
