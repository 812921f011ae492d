import type { Configured } from '../config-object.ts'
import type { ServiceEntrySpec } from '../config/service-entry.ts'
import type { WorkloadEntrySpec } from '../config/workload-entry.ts'
import { hasLabels } from '../has-labels.ts'
import type { Problem } from '../problem.ts'
import { problemOf, type AnalyzedObjects } from './analyzed-objects.ts'

/**
 * WorkloadEntries of the mesh that none of its ServiceEntries selects: what a cluster holds selects what that cluster holds. Both are
 * the mesh's alone.
 */
export const findUnselectedEntries = ({
  workloadEntries,
  serviceEntries,
}: Pick<AnalyzedObjects, 'workloadEntries' | 'serviceEntries'>): readonly Problem[] =>
  workloadEntries
    .filter((entry) => !serviceEntries.some((each) => isSelectedBy(entry, each)))
    .map((entry) =>
      problemOf(
        entry,
        'ineffective',
        'warning',
        [],
        `no ServiceEntry of the mesh in namespace ${entry.metadata.namespace} selects it: what selects it in a cluster (a Service, or a ServiceEntry of its own) takes a WorkloadEntry of that cluster: put it there`,
      ),
    )

const isSelectedBy = (
  { metadata, spec }: Configured<WorkloadEntrySpec>,
  entry: Configured<ServiceEntrySpec>,
): boolean => {
  const { resolution, workloadSelector } = entry.spec
  return (
    workloadSelector !== undefined &&
    resolution !== 'NONE' &&
    entry.metadata.namespace === metadata.namespace &&
    hasLabels({ ...spec.labels, ...metadata.labels }, workloadSelector.labels ?? {})
  )
}
