import type { KnownWorkload } from '#mesh/analysis/known-mesh.ts'
import type { ConfigObject } from '#mesh/config-object.ts'
import { configuredAs } from '#mesh/config/parse-object.ts'
import { workloadEntry } from '#mesh/config/workload-entry.ts'
import { workloadGroup } from '#mesh/config/workload-group.ts'
import { toWorkload } from '#mesh/registry-records/to-workload.ts'
import { offlineNetwork } from '../xds/offline-network.ts'
import { toManifestWorkloads } from '../xds/manifest-workloads.ts'

/**
 * Pods of manifests, WorkloadEntries, and those that WorkloadGroups are for. Undefined = they are not known: machines alone say nothing of pods,
 * which may be made elsewhere.
 */
export const findWorkloads = (
  objects: readonly ConfigObject[],
  manifests: readonly unknown[],
  namespace = 'default',
): readonly KnownWorkload[] | undefined => {
  const pods = toManifestWorkloads(manifests, { namespace, network: offlineNetwork })
  return pods.length === 0 ? undefined : [...pods, ...objects.flatMap((object) => toMachine(object) ?? [])]
}

const toMachine = (object: ConfigObject): KnownWorkload | undefined => {
  if (object.kind === workloadEntry.kind) {
    const entry = configuredAs(workloadEntry, object)
    return entry.ok ? toWorkload(entry.value, offlineNetwork) : undefined
  }
  if (object.kind !== workloadGroup.kind) return undefined
  const group = configuredAs(workloadGroup, object)
  if (!group.ok) return undefined
  const { metadata, spec } = group.value
  return { namespace: metadata.namespace, labels: { ...spec.template.labels, ...spec.metadata?.labels } }
}
