import { objectKeyOf } from '#mesh/config-object.ts'
import { findLimitOfMesh, parseLimitName, toLimitTerms } from '#mesh/limits/limit-terms.ts'
import type { MeshView } from '#mesh/view.ts'
import type { MeshLimitTerms } from './limit-book.ts'

/** Looks for limits of the scope MESH among the mesh's objects, by "RateLimit/<namespace>/<object>/<limit>". */
export const toLimitFinder =
  (view: Pick<MeshView, 'rateLimits'>) =>
  (limit: string): MeshLimitTerms | undefined => {
    const parsed = parseLimitName(limit)
    if (!parsed) return undefined
    const object = view
      .rateLimits(parsed.namespace)
      .find((each) => each.origin === 'mesh' && objectKeyOf(each) === parsed.object)
    const found = object && findLimitOfMesh(object.spec, parsed.name)
    return found && { terms: toLimitTerms(found), failOpen: found.failOpen ?? true }
  }
