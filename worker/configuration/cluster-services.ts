import { problemOf } from '#mesh/analysis/analyzed-objects.ts'
import type { ConfigObject } from '#mesh/config-object.ts'
import type { Problem } from '#mesh/problem.ts'

/** Of an apply: the Kubernetes Services, of which nothing follows in the mesh. Their endpoints are in a cluster, which tells of both. */
export const warnOfServices = (objects: readonly ConfigObject[]): readonly Problem[] =>
  objects
    .filter(({ kind }) => kind === 'Service')
    .map((object) =>
      problemOf(
        object,
        'ineffective',
        'warning',
        [],
        'nothing follows from a Service of the mesh: apply it in the cluster where its pods are, which tells the mesh of it, or write a ServiceEntry',
      ),
    )
