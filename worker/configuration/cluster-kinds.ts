import { problemOf } from '#mesh/analysis/analyzed-objects.ts'
import type { ConfigObject } from '#mesh/config-object.ts'
import { service } from '#mesh/config/service.ts'
import { workloadGroup } from '#mesh/config/workload-group.ts'
import type { Problem } from '#mesh/problem.ts'

const instead: ReadonlyMap<string, string> = new Map([
  [service.kind, 'apply it in the cluster where its pods are, which tells the mesh of it, or write a ServiceEntry'],
  [workloadGroup.kind, 'apply it in the cluster whose agent its machines connect to'],
])

/** Of an apply: objects of kinds that count in the cluster which holds them, and of which nothing follows in the mesh. */
export const warnOfClusterKinds = (objects: readonly ConfigObject[]): readonly Problem[] =>
  objects.flatMap((object) => {
    const { kind } = object
    const remedy = instead.get(kind)
    if (remedy === undefined) return []
    return [problemOf(object, 'ineffective', 'warning', [], `nothing follows from a ${kind} of the mesh: ${remedy}`)]
  })
