import type { GatewayAddress } from '#mesh/service.ts'
import type { Problem } from '#mesh/problem.ts'
import type { ViewChange } from '#mesh/view.ts'

/** A change of what runs in this cluster, or of the configuration objects that are its own. Records are immutable. */
export type RegistryChange = Extract<ViewChange, { kind: 'catalog' | 'workload' | 'config' }>

/** Tells the records of a registry apart. */
export const toRecordKey = (change: RegistryChange): string =>
  `${change.kind} ${change.kind === 'catalog' ? change.service : change.key}`

/** Services of Kubernetes that had host names under one domain suffix have them under another. */
export interface DomainRename {
  readonly from: string
  readonly to: string
}

/** Changes that happened together. What is absent is unchanged; when nothing has changed, the problems have. */
export interface RegistryBatch {
  readonly changes: readonly RegistryChange[]
  /** Names of the namespaces that exist here, sorted. */
  readonly namespaces?: readonly string[]
  /** Where other networks enter this one, sorted by address. */
  readonly gateways?: readonly GatewayAddress[]
  /** The same services under the names of another domain suffix: what goes by it is not lost. */
  readonly renamed?: DomainRename
  /** Keys of workloads that are known to have left: their endpoints are not lost. */
  readonly left?: ReadonlySet<string>
}

/** Something wrong in the registry. What is not concerned by it counts; where there was something good before, that goes on. */
export interface RegistryProblem {
  /** The file, or the kind of resource. */
  readonly source: string
  readonly problem: Problem
}

/** A part of a registry that is read by itself, such as the pods. */
export interface RegistrySource {
  readonly name: string
  /** When it was last heard that this part is as it is known; milliseconds since the epoch, 0 = never. */
  readonly heardAt: number
}

/**
 * What runs in one cluster: a directory of YAML, or a Kubernetes API server. The first batch holds the whole registry; nothing is
 * said before all of it has been read. A registry that can't be read any more changes nothing.
 */
export interface Registry {
  /** Resolves with the first batch, when it has been handed to the listener. */
  readonly synced: Promise<void>
  /** `listener` is called for every batch, and must not block. */
  start(listener: (batch: RegistryBatch) => void): void
  stop(): Promise<void>
  /** Suffix of the host names of Services (MeshSettings.domainSuffix). */
  setDomainSuffix(domainSuffix: string): void
  /** What is wrong now. */
  problems(): readonly RegistryProblem[]
  /** What it is read from, where that is far away. */
  sources?(): readonly RegistrySource[]
}
