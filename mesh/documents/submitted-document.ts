import type { Problem } from '../problem.ts'

export type Path = readonly PropertyKey[]

/** Collections that may be open at once: what reads them is recursive, or costs the square of it. */
export const maxNesting = 100

/** One document of a submitted text, before anything is known of what it says. */
export interface SubmittedDocument {
  /** 1-based; in YAML, empty ones count. */
  readonly number: number
  readonly value: unknown
  /** For each path the 1-based line of what is there, or of the nearest thing around it. */
  lines(paths: readonly Path[]): readonly number[]
}

/** A text that is no sequence of documents: what is wrong, and where. `document` counts from 1. */
export const syntaxProblem = (
  message: string,
  place: { readonly document?: number; readonly line?: number } = {},
  code: Problem['code'] = 'syntax',
): Problem => ({
  code,
  severity: 'error',
  path: '',
  message,
  ...place,
})
