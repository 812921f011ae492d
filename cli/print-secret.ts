import { toErrorMessage } from '#mesh/error-message.ts'
import type { CliContext } from './cli-context.ts'
import { CliError } from './cli-error.ts'
import { ensureWritable, writePrivateFile } from './private-file.ts'

/** Before something with a secret is made. Throws CliError `usage` when the file could not be written: the secret would be lost. */
export const ensureSecretFile = (file: string | undefined): void => {
  if (file === undefined) return
  try {
    ensureWritable(file)
  } catch (error) {
    throw new CliError('usage', `--out ${file} cannot be written: ${toErrorMessage(error)}`, { cause: error })
  }
}

/** Shows what was made with its secret, this once; or writes the secret to a file, and then shows it nowhere. */
export const printSecret = async (
  context: CliContext,
  made: { readonly id: string; readonly secret: string },
  file: string | undefined,
  description: string,
): Promise<void> => {
  const { secret, ...rest } = made
  if (file === undefined) {
    context.note(`${description}. It is shown this once:`)
    return context.print({ value: made, names: [made.id], table: () => secret })
  }
  writePrivateFile(file, `${secret}\n`)
  await context.print({ value: { ...rest, file }, names: [made.id], table: () => `${description}, is in ${file}` })
}
