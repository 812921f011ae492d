import type { UnitResource } from '#xds/incremental/unit.ts'
import type { Fallback } from '#xds/resource-set.ts'

/** Of objects that are left out, one after the other, to find the one that is refused. */
const maxTrials = 16

/** A part of a resource that an object says. */
interface Spared {
  readonly object: string
  /** Whether requests go through where it can't be held. */
  readonly failOpen: boolean
}

interface Builders<Part> {
  readonly build: (parts: readonly Part[]) => UnitResource
  /** Lets nobody in. */
  readonly refusal: UnitResource
}

/**
 * A resource that is made of parts that objects say: where it is refused, the object is found that it is refused for, at last all are left out. Those that do not fail open are
 * never left out: when one of them may be at fault, nobody is let in.
 */
export const buildSpared = <Part extends Spared>(
  parts: readonly Part[],
  { build, refusal }: Builders<Part>,
): UnitResource => {
  const built = build(parts)
  if (parts.length === 0) return built
  const objects = [...new Set(parts.map(({ object }) => object))]
  const closed = new Set(parts.filter(({ failOpen }) => !failOpen).map(({ object }) => object))
  const fallbacks = (reason: string): readonly Fallback[] => {
    const leave = (left: readonly string[], { resource }: UnitResource): Fallback => ({
      resource,
      without: left.map((object) => ({ object, reason })),
    })
    const spared = objects.filter((object) => !closed.has(object))
    const trials = objects.length > 1 ? spared.slice(0, maxTrials) : []
    return [
      ...trials.map((left): Fallback => {
        const rest = build(parts.filter(({ object }) => object !== left))
        return { ...leave([left], rest), isTrial: true }
      }),
      leave(objects, closed.size > 0 ? refusal : build([])),
    ]
  }
  return { ...built, resource: { ...built.resource, fallbacks } }
}
