import { z } from 'zod'
import { configObject } from './config-object.ts'
import { clusterName, networkName } from './names.ts'
import { catalogEntry, catalogSummary, gatewayAddress } from './service.ts'
import { toldSettings } from './settings.ts'
import { issuance, trustState } from './trust.ts'

/**
 * What the control plane tells an agent, as a map of keyed items. The plane keeps it as a compacted log: each key with
 * the sequence number of its last change and a tombstone when it is gone, so that "all since n" is at once the resume,
 * latest-wins coalescing and, from 0, the snapshot.
 *
 * | key                              | value           | for                              |
 * |----------------------------------|-----------------|----------------------------------|
 * | `settings`                       | MeshSettings    | every cluster                    |
 * | `trust`                          | TrustState      | every cluster                    |
 * | `cluster/<cluster>`              | ClusterState    | every cluster                    |
 * | `config/<object key>`            | ConfigObject    | every cluster                    |
 * | `catalog/<cluster>/<service>`    | CatalogEntry    | other clusters of its network    |
 * | `summary/<cluster>/<service>`    | CatalogSummary  | clusters of other networks       |
 * | `machine-token/<id>`             | MachineToken    | the cluster that it is for       |
 * | `issuance/<cluster>`             | Issuance        | the cluster that it is for       |
 */

export const clusterState = z
  .object({
    name: clusterName,
    network: networkName,
    gateways: z.array(gatewayAddress).readonly(),
    /**
     * `live`: its reporter's lease holds. `deprioritised`: the lease has run out and other clusters' probes fail.
     * `withdrawn`: out of the catalog. An agent's own probes may withdraw a gateway sooner, by itself.
     */
    contribution: z.enum(['live', 'deprioritised', 'withdrawn']),
  })
  .readonly()
export type ClusterState = z.infer<typeof clusterState>

/** What a machine's token stands for: the only source of what its proxy is. The secret itself is known to its holder alone. */
export const machineToken = z
  .strictObject({
    id: z.string(),
    /** Lower-case hex SHA-256 of the secret part. */
    secretHash: z.string().regex(/^[0-9a-f]{64}$/),
    role: z.enum(['sidecar', 'east-west-gateway', 'gateway']),
    namespace: z.string(),
    serviceAccount: z.string(),
    /** The WorkloadEntry (sidecar) or gateway that the holder is; of a group's token, the WorkloadGroup. */
    workload: z.string(),
    /** Its holders are the machines of a WorkloadGroup, each told from the others by its address (docs/decisions/0018). */
    group: z.literal(true).optional(),
    /** RFC 3339 */
    expiresAt: z.string(),
  })
  .readonly()
export type MachineToken = z.infer<typeof machineToken>

export const stateItem = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('settings'), value: toldSettings }),
  z.object({ kind: z.literal('trust'), value: trustState }),
  z.object({ kind: z.literal('cluster'), value: clusterState }),
  z.object({ kind: z.literal('config'), value: configObject }),
  z.object({ kind: z.literal('catalog'), cluster: clusterName, value: catalogEntry }),
  z.object({ kind: z.literal('summary'), cluster: clusterName, value: catalogSummary }),
  z.object({ kind: z.literal('machine-token'), value: machineToken }),
  z.object({ kind: z.literal('issuance'), value: issuance }),
])
export type StateItem = z.infer<typeof stateItem>

export const stateKeys = {
  settings: () => 'settings',
  trust: () => 'trust',
  cluster: (cluster: string) => `cluster/${cluster}`,
  config: (objectKey: string) => `config/${objectKey}`,
  catalog: (cluster: string, service: string) => `catalog/${cluster}/${service}`,
  summary: (cluster: string, service: string) => `summary/${cluster}/${service}`,
  machineToken: (id: string) => `machine-token/${id}`,
  issuance: (cluster: string) => `issuance/${cluster}`,
} as const

/** A newer plane's token that says more than this version understands is none: by less than it says somebody would be let in as another. */
const withoutUnknownToken = (item: unknown): unknown =>
  ofToken.safeParse(item).success && !stateItem.safeParse(item).success ? null : item

const ofToken = z.object({ kind: z.literal('machine-token') })

/** One key's latest value; null is a tombstone. */
export const stateChange = z.object({
  key: z.string().max(1024),
  item: z.preprocess(withoutUnknownToken, stateItem.nullable()),
})
export type StateChange = z.infer<typeof stateChange>
