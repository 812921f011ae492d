import type { CliContext } from './cli-context.ts'
import { CliError } from './cli-error.ts'

/** A secret from the standard input, or typed without echo: never an argument, which other users could see. */
export const readSecret = async (context: CliContext, what: string, fromStdin: boolean): Promise<string> => {
  if (!fromStdin && !context.io.stdinIsTTY) {
    throw new CliError('usage', `There is no terminal to ask for the ${what} on`, {
      remedy: 'Pass it on the standard input.',
    })
  }
  const secret = fromStdin
    ? (await context.io.readStdin()).trim()
    : await context.io.prompt(`${what}: `, { hidden: true })
  if (secret === '') throw new CliError('usage', `The ${what} is empty`)
  return secret
}
