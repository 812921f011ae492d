import { z } from 'zod'

/** What the API server says of a pod that lives. */
export const knownPod = z
  .object({
    namespace: z.string(),
    name: z.string(),
    /** Another pod of the same name has another one. */
    uid: z.string(),
    serviceAccount: z.string(),
    labels: z.record(z.string(), z.string()).readonly(),
    /** "" as long as it has none. */
    ip: z.string(),
    /** The node's name; "" as long as it is on none. */
    node: z.string(),
    /** It carries a sidecar of ours, which captures its traffic. */
    injected: z.boolean(),
    /** It has a proxy of Atoll's whose container has passed its startup probe, and is not to end. */
    proxyStarted: z.boolean(),
    /** It has a proxy of Atoll's that is a gateway, that of Gateway objects. Absent = it is not. */
    isGateway: z.literal(true).optional(),
  })
  .readonly()
export type KnownPod = z.infer<typeof knownPod>

/**
 * The pods of this cluster that have not ended, as the informer last saw them; until it has, those that were known before a restart. Looking
 * costs no call.
 */
export interface PodDirectory {
  /**
   * False until all pods have been read: then an unknown pod says nothing. A pod that has just been made may also be
   * unknown because its event is still on the way.
   */
  readonly complete: boolean
  find(namespace: string, name: string): KnownPod | undefined
  /** undefined = nothing is known yet. */
  all(): Iterable<KnownPod> | undefined
}
