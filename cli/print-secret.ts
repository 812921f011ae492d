import type { CliContext } from './cli-context.ts'
import { writePrivateFile } from './private-file.ts'

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
