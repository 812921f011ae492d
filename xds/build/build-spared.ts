import type { UnitResource } from '#xds/incremental/unit.ts'
import type { Fallback } from '#xds/resource-set.ts'

/** Of objects that are left out, one after the other, to find the one that is refused. */
const maxTrials = 16

/** A resource that is made of parts that objects say: where it is refused, the object is found that it is refused for, at last all are left out. */
export const buildSpared = <Part extends { readonly object: string }>(
  parts: readonly Part[],
  build: (parts: readonly Part[]) => UnitResource,
): UnitResource => {
  const built = build(parts)
  if (parts.length === 0) return built
  const objects = [...new Set(parts.map(({ object }) => object))]
  const fallbacks = (reason: string): readonly Fallback[] => {
    const leave = (left: readonly string[]): Fallback => ({
      resource: build(parts.filter(({ object }) => !left.includes(object))).resource,
      without: left.map((object) => ({ object, reason })),
    })
    const each = objects.length > 1 ? objects.slice(0, maxTrials).map((object) => leave([object])) : []
    return [...each.map((fallback): Fallback => ({ ...fallback, isTrial: true })), leave(objects)]
  }
  return { ...built, resource: { ...built.resource, fallbacks } }
}
