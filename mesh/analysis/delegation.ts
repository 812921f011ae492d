import { toObjectKey, type Configured } from '../config-object.ts'
import type { VirtualServiceSpec } from '../config/virtual-service.ts'
import { delegateFault, mergeDelegate, toDelegateKey } from '../merge/merge-delegates.ts'
import type { Problem } from '../problem.ts'
import { problemOf } from './analyzed-objects.ts'
import type { AnalyzedObjects } from './analyzed-objects.ts'
import type { KnownMesh } from './known-mesh.ts'

/** Routes that delegate to nothing, and delegates' routes that fit into no match of the route that delegates to them. */
export const findDelegationProblems = (
  objects: AnalyzedObjects,
  { domainSuffix, defaults }: KnownMesh,
): readonly Problem[] => {
  const byKey = new Map(
    objects.virtualServices.map((object) => [
      toObjectKey(object.kind, object.metadata.namespace, object.metadata.name),
      object,
    ]),
  )

  const problemsOf = (root: Configured<VirtualServiceSpec>): readonly Problem[] =>
    (root.spec.http ?? []).flatMap((route, index) => {
      if (!route.delegate) return []
      const { namespace } = root.metadata
      const key = toDelegateKey(route.delegate, namespace)
      const name = key.replace('/', ' ')
      const found = byKey.get(key)
      const path = ['spec', 'http', index, 'delegate']
      const fault = delegateFault(found, namespace, defaults?.defaultVirtualServiceExportTo)
      if (!found || fault !== undefined)
        return problemOf(root, 'dangling_reference', 'warning', path, `${name} ${fault}: the route is left out`)
      const unfit = (found.spec.http ?? []).length - mergeDelegate(route, namespace, found, domainSuffix).length
      if (unfit === 0) return []
      const message = `${unfit} of the routes of ${name} match what this route does not: they are left out`
      return problemOf(root, 'conflict', 'warning', path, message)
    })

  return objects.virtualServices.flatMap(problemsOf)
}
