import { z } from 'zod'
import { probeRoutes } from './injection/probe-routes.ts'
import { scrapeTarget } from './injection/scrape-target.ts'
import { networkName, type ClusterName } from './names.ts'
import { endpointHealth, endpointOrigin, type OfMesh } from './service.ts'
import type { Place } from './topology.ts'

/** A workload of the agent's own cluster: a pod, or a machine's WorkloadEntry. What a sidecar is configured for. */
export const workload = z
  .object({
    namespace: z.string(),
    name: z.string(),
    /** Name of what made it, a pod's Deployment. Absent = it stands for itself. */
    controller: z.string().optional(),
    /** "" as long as a pod has none. */
    address: z.string(),
    labels: z.record(z.string(), z.string()).readonly(),
    /** "" when a WorkloadEntry names none. */
    serviceAccount: z.string(),
    network: networkName,
    /** "region/zone/subzone"; "" when unknown. */
    locality: z.string(),
    /** Of its cluster. Absent = it is a machine, or is not on one yet. */
    node: z.string().optional(),
    /** Name → number of the ports that it listens on (WorkloadEntry.ports, a pod's named ports). Absent = none is named. */
    ports: z.record(z.string(), z.int().min(1).max(65535)).readonly().optional(),
    /** Absent = 1. */
    weight: z.int().min(1).optional(),
    /** Absent = healthy. */
    health: endpointHealth.optional(),
    /** A pod, or an endpoint that a ServiceEntry holds; absent = a WorkloadEntry. */
    origin: endpointOrigin.optional(),
    /** How traffic comes to its proxy. "transparent": all of it is captured (an injected pod). Absent = explicit listeners only. */
    capture: z.literal('transparent').optional(),
    /** Where probes lead that come to its proxy. Absent = there are none. */
    probeRoutes: probeRoutes.optional(),
    /** Where its application's own metrics are that its proxy is asked for. Absent = it is asked for none. */
    scrapeTarget: scrapeTarget.optional(),
  })
  .readonly()
export type Workload = z.infer<typeof workload> & OfMesh

/** Whether all its traffic comes to its proxy. */
export const isCaptured = ({ capture }: Workload): boolean => capture === 'transparent'

/** Where it runs in its cluster: a machine is a node of its own, by its address. */
export const toNode = ({ node, address }: Pick<Workload, 'node' | 'address'>): string => node ?? address

/** Where it is, as selectors look at it. */
export const placeOf = ({ locality, network, labels }: Workload, cluster: ClusterName): Place => ({
  locality,
  network,
  labels,
  cluster,
})

/** "<namespace>/<name>" */
export const toWorkloadKey = (namespace: string, name: string): string => `${namespace}/${name}`
