import type { CliContext } from './cli-context.ts'
import { CliError } from './cli-error.ts'

/** Asks before what can't be undone: the name has to be typed. Without a terminal, `--yes` has to say so. */
export const confirmByName = async (
  context: CliContext,
  name: string,
  consequence: string,
  options: { readonly yes?: boolean },
): Promise<void> => {
  if (options.yes === true) return
  if (!context.io.stdinIsTTY)
    throw new CliError('usage', consequence, { remedy: 'Say --yes if that is what you want.' })
  const typed = await context.io.prompt(`${consequence}.\nType ${name} to go on: `, { hidden: false })
  if (typed !== name) throw new CliError('failed', 'Nothing was done')
}
