import type { ShownProblem } from '#api/schemas/shown-problem.ts'
import type { PlacedProblem } from '../output/problem-text.ts'
import type { ConfigurationText } from './configuration-files.ts'
import { toOfflineOptions } from './parse-options.ts'

/** The problems with their files and lines, where those are known, instead of places in the stream; in the order of the stream, those without a place last. */
export const placeProblems = async (
  problems: readonly ShownProblem[],
  { text, findPlace }: ConfigurationText,
  namespace: string | undefined,
): Promise<PlacedProblem[]> => {
  if (problems.length === 0) return []
  // Reading YAML takes longer to load than most commands take.
  const { locateProblems } = await import('#mesh/locate-problems.ts')
  const located = locateProblems(problems, text, toOfflineOptions(namespace))
  return located.toSorted(byLine).map((each) => {
    const { document: _, line, ...problem } = each
    const place = line === undefined ? undefined : findPlace(line)
    return { ...problem, ...(place !== undefined && { place }) }
  })
}

const byLine = (left: ShownProblem, right: ShownProblem): number =>
  (left.line ?? Number.MAX_SAFE_INTEGER) - (right.line ?? Number.MAX_SAFE_INTEGER)
