import { z } from 'zod'
import { networkName } from './names.ts'

/** A workload of the agent's own cluster: a pod, or a machine's WorkloadEntry. What a sidecar is configured for. */
export const workload = z
  .object({
    namespace: z.string(),
    name: z.string(),
    address: z.string(),
    labels: z.record(z.string(), z.string()).readonly(),
    serviceAccount: z.string(),
    network: networkName,
    /** "region/zone/subzone"; "" when unknown. */
    locality: z.string(),
  })
  .readonly()
export type Workload = z.infer<typeof workload>

/** "<namespace>/<name>" */
export const toWorkloadKey = (namespace: string, name: string): string => `${namespace}/${name}`
