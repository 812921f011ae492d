import { objectKeyOf, parseObjectKey } from '#mesh/config-object.ts'
import { toLimitTerms } from '#mesh/limits/limit-terms.ts'
import type { MeshView } from '#mesh/view.ts'
import type { MeshLimitTerms } from './limit-book.ts'

/** Looks for limits of the scope MESH among the mesh's objects, by "RateLimit/<namespace>/<object>/<limit>". */
export const toLimitFinder =
  (view: Pick<MeshView, 'rateLimits'>) =>
  (limit: string): MeshLimitTerms | undefined => {
    const key = limit.slice(0, limit.lastIndexOf('/'))
    const object = view
      .rateLimits(parseObjectKey(key)?.namespace ?? '')
      .find((each) => each.origin === 'mesh' && objectKeyOf(each) === key)
    const found = object?.spec.limits.find(({ name, scope }) => scope === 'MESH' && `${key}/${name}` === limit)
    return found && { terms: toLimitTerms(found), failOpen: found.failOpen ?? true }
  }
