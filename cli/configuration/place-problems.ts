import type { ShownProblem } from '#api/schemas/shown-problem.ts'
import type { PlacedProblem } from '../output/problem-text.ts'
import type { ConfigurationText } from './configuration-files.ts'
import { toParseOptions } from './parse-options.ts'

/** The problems with their files and lines, where those are known, instead of places in the stream. */
export const placeProblems = async (
  problems: readonly ShownProblem[],
  { text, findPlace }: ConfigurationText,
  namespace: string | undefined,
): Promise<PlacedProblem[]> => {
  if (problems.length === 0) return []
  // Reading YAML takes longer to load than most commands take.
  const { locateProblems } = await import('#mesh/locate-problems.ts')
  return locateProblems(problems, text, toParseOptions(namespace)).map((located) => {
    const { document: _, line, ...problem } = located
    const place = line === undefined ? undefined : findPlace(line)
    return { ...problem, ...(place !== undefined && { place }) }
  })
}
