import type { LocalityEndpoints } from '#xds/model/load-assignment.ts'
import { matchesLocality } from './compile-locality.ts'

/** What one percent is divided into among the localities of a pattern. */
const parts = 10_000

/** Gives each locality its share: that of the first pattern that it matches, divided by the weights of the localities that do. */
export const shareOut = (
  localities: readonly LocalityEndpoints[],
  shares: readonly (readonly [pattern: string, share: number])[],
): LocalityEndpoints[] => {
  const patternOf = (locality: string) => shares.find(([pattern]) => matchesLocality(locality, pattern))
  const sums = new Map<string, number>()
  const weighed = localities.map((each) => {
    const weight = each.endpoints.reduce((sum, endpoint) => sum + endpoint.weight, 0)
    const [pattern = '', share = 0] = patternOf(each.locality) ?? []
    sums.set(pattern, (sums.get(pattern) ?? 0) + weight)
    return { each, weight, pattern, share }
  })
  return weighed.map(({ each, weight, pattern, share }) => ({
    ...each,
    weight: Math.max(1, Math.round((share * parts * weight) / (sums.get(pattern) ?? weight))),
  }))
}
