import type { Problem } from '../problem.ts'
import { problemOf, type AnalyzedObjects } from './analyzed-objects.ts'
import { NamespacedLabelIndex, toLabelsKey } from './label-index.ts'

/**
 * WorkloadEntries of the mesh that none of its ServiceEntries selects: what a cluster holds selects what that cluster holds. Both are
 * the mesh's alone.
 */
export const findUnselectedEntries = ({
  workloadEntries,
  serviceEntries,
}: Pick<AnalyzedObjects, 'workloadEntries' | 'serviceEntries'>): readonly Problem[] => {
  const entries = new NamespacedLabelIndex(
    workloadEntries,
    ({ metadata }) => metadata.namespace,
    ({ metadata, spec }) => ({ ...spec.labels, ...metadata.labels }),
  )
  const selecting = serviceEntries.flatMap(({ metadata: { namespace }, spec: { resolution, workloadSelector } }) =>
    workloadSelector === undefined || resolution === 'NONE' ? [] : { namespace, labels: workloadSelector.labels ?? {} },
  )
  // Many ServiceEntries have the same workloads.
  const distinct = new Map(selecting.map((each) => [`${each.namespace}/${toLabelsKey(each.labels)}`, each]))
  const selected = new Set([...distinct.values()].flatMap(({ namespace, labels }) => entries.select(labels, namespace)))
  return workloadEntries
    .filter((entry) => !selected.has(entry))
    .map((entry) =>
      problemOf(
        entry,
        'ineffective',
        'warning',
        [],
        `no ServiceEntry of the mesh in namespace ${entry.metadata.namespace} selects it: what selects it in a cluster (a Service, or a ServiceEntry of its own) takes a WorkloadEntry of that cluster: put it there`,
      ),
    )
}
