import { z } from 'zod'
import type { Clock } from '#agent/clock.ts'
import { LateWriter } from '#agent/store/late-writer.ts'
import type { SealedSnapshot } from '#agent/store/sealed-snapshot.ts'
import { configObject } from '#mesh/config-object.ts'
import { clusterName, serviceKey } from '#mesh/names.ts'
import { catalogEntry, gatewayAddress, type GatewayAddress } from '#mesh/service.ts'
import { workload } from '#mesh/workload.ts'
import { toRecordKey, type RegistryBatch, type RegistryChange } from './registry.ts'

/** What a registry on disk is made of: its records, and once what is said of the cluster itself. */
export const keptRecord = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('cluster'),
    domainSuffix: z.string(),
    gateways: z.array(gatewayAddress).readonly(),
    namespaces: z.array(z.string()).readonly(),
  }),
  z.object({ kind: z.literal('catalog'), cluster: clusterName, service: serviceKey, value: catalogEntry }),
  z.object({ kind: z.literal('workload'), key: z.string(), value: workload }),
  z.object({ kind: z.literal('config'), origin: z.literal('cluster'), key: z.string(), value: configObject }),
])
export type KeptRecord = z.infer<typeof keptRecord>

export interface RestoredRegistry {
  /** Milliseconds since the epoch. */
  readonly savedAt: number
  /** The suffix that its services are called by. */
  readonly domainSuffix: string
  /** All of it. */
  readonly batch: Required<Pick<RegistryBatch, 'changes' | 'gateways' | 'namespaces'>>
}

const writeDelayMilliseconds = 5000

/** What counts of the registry, on disk: for a restart while it can't be read, and so that a restart makes no loss of it go unseen. */
export class KeptRegistry {
  readonly #snapshot: SealedSnapshot<KeptRecord>
  readonly #writer: LateWriter
  readonly #records = new Map<string, Exclude<KeptRecord, { kind: 'cluster' }>>()
  #gateways: readonly GatewayAddress[] = []
  #namespaces: readonly string[] = []

  constructor(options: {
    readonly snapshot: SealedSnapshot<KeptRecord>
    readonly clock: Clock
    /** The suffix that services are called by. */
    readonly domainSuffix: () => string
  }) {
    const { snapshot, clock, domainSuffix } = options
    this.#snapshot = snapshot
    this.#writer = new LateWriter(clock, writeDelayMilliseconds, () =>
      snapshot.save({ savedAt: clock.now(), items: this.#items(domainSuffix()) }),
    )
  }

  /** undefined = nothing was kept. */
  load(): RestoredRegistry | undefined {
    const snapshot = this.#snapshot.load()
    const changes = snapshot?.items.filter((item) => item.kind !== 'cluster')
    const cluster = snapshot?.items.find((item) => item.kind === 'cluster')
    if (!snapshot || !changes || !cluster) return undefined
    const { domainSuffix, gateways, namespaces } = cluster
    return { savedAt: snapshot.savedAt, domainSuffix, batch: { changes, gateways, namespaces } }
  }

  /** What counts from now on. */
  take({ changes, gateways = this.#gateways, namespaces = this.#namespaces }: RegistryBatch): void {
    for (const change of changes) {
      const key = toRecordKey(change)
      const record = toRecord(change)
      if (record) this.#records.set(key, record)
      else this.#records.delete(key)
    }
    this.#gateways = gateways
    this.#namespaces = namespaces
  }

  /** It is to be written: what was taken was read, and is not only what was kept. */
  changed(): void {
    this.#writer.changed()
  }

  stop(): Promise<void> {
    return this.#writer.stop()
  }

  #items(domainSuffix: string): KeptRecord[] {
    const [gateways, namespaces] = [this.#gateways, this.#namespaces]
    return [{ kind: 'cluster', domainSuffix, gateways, namespaces }, ...this.#records.values()]
  }
}

const toRecord = (change: RegistryChange): Exclude<KeptRecord, { kind: 'cluster' }> | undefined => {
  if (change.value === null) return undefined
  if (change.kind === 'config')
    return change.origin === 'cluster' ? { ...change, origin: 'cluster', value: change.value } : undefined
  return change.kind === 'catalog' ? { ...change, value: change.value } : { ...change, value: change.value }
}
