import type { MeshConfig } from '../config/mesh-config.ts'
import { toKnownProviders, type KnownProvider } from '../telemetry/find-provider.ts'

/** Whom objects are for: those of the root namespace, and those that do not say it; and what they name of the settings. */
export type MeshDefaults = Pick<
  MeshConfig,
  'rootNamespace' | 'defaultServiceExportTo' | 'defaultVirtualServiceExportTo' | 'defaultDestinationRuleExportTo'
> & {
  /** Absent = it is not known which there are. */
  readonly providers?: readonly KnownProvider[]
}

/** Those alone: they are kept and passed on where all the settings would be too much. */
export const toMeshDefaults = ({
  rootNamespace,
  extensionProviders,
  defaultServiceExportTo,
  defaultVirtualServiceExportTo,
  defaultDestinationRuleExportTo,
}: MeshConfig): MeshDefaults => ({
  rootNamespace,
  providers: toKnownProviders(extensionProviders),
  defaultServiceExportTo,
  defaultVirtualServiceExportTo,
  defaultDestinationRuleExportTo,
})

/** What is known of the mesh beside the objects under analysis. */
export interface KnownMesh {
  readonly domainSuffix: string
  /** Absent = as without any settings. */
  readonly defaults?: MeshDefaults
  /** Whether some cluster offers this host name to clients in this namespace. */
  hasHost(hostname: string, namespace: string): boolean
  /** What a host that some cluster offers to clients in this namespace is another name of. */
  aliasOf?(hostname: string, namespace: string): string | undefined
  /** Where it was looked for: `clusters` and the configuration, or nowhere but in the objects under analysis. Absent = `clusters`. */
  readonly lookedIn?: 'clusters' | 'objects'
  /** The networks of its clusters; absent = they are not known. */
  readonly networks?: ReadonlySet<string>
  /** The workloads that there are; absent = they are not known. */
  readonly workloads?: readonly KnownWorkload[]
  /** Absent = nothing is known of Secrets. */
  readonly secrets?: KnownSecrets
}

export interface KnownSecrets {
  /** Of "<namespace>/<name>" the keys that it has something for; undefined = there is such a Secret, and what it holds is not known. */
  readonly keys: ReadonlyMap<string, readonly string[] | undefined>
  /** Those of which there are no others. */
  readonly namespaces: ReadonlySet<string>
}

export interface KnownWorkload {
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
}
