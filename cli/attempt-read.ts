import { CliError } from './cli-error.ts'

/** Reads something that the command line names. Throws CliError `usage` that says what can't be read, and why. */
export const attemptRead = <T>(path: string, read: () => T): T => {
  try {
    return read()
  } catch (error) {
    if (error instanceof CliError) throw error
    throw new CliError('usage', `${path} cannot be read: ${toReason(error)}`, { cause: error })
  }
}

/** Without Node's "ENOENT: …, stat 'file'", which says the file again. */
const toReason = (error: unknown): string =>
  error instanceof Error ? error.message.replace(/^[A-Z]+: (.*?), \w+( '.*')?$/s, '$1') : String(error)
