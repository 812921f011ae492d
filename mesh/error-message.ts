/** What was thrown, in its own words: anything can be. */
export const toErrorMessage = (error: unknown): string => (error instanceof Error ? error.message : String(error))
