import type { CompileProblem } from '#xds/incremental/unit.ts'

/** Takes what was wrong with an object ("<kind>/<namespace>/<name>") and was left out because of it. */
export type Report = (object: string, message: string) => void

/** A list of problems and the function that adds to it; a problem that is met twice is listed once. */
export const collectProblems = (): { readonly problems: CompileProblem[]; readonly report: Report } => {
  const problems: CompileProblem[] = []
  const report: Report = (object, message) => {
    if (!problems.some((known) => known.object === object && known.message === message))
      problems.push({ object, message })
  }
  return { problems, report }
}
