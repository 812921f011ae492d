import type { Command } from 'commander'

export interface FileOptions {
  readonly file?: readonly string[]
}

/** Files as arguments or, as other commands take them, behind `-f`. */
export const addFiles = (command: Command): Command =>
  command
    .argument('[path...]', 'files, folders (with their subfolders), or "-" for the standard input')
    .option('-f, --file <path...>', 'the same')

export const toPaths = (paths: readonly string[], { file = [] }: FileOptions): readonly string[] => [...paths, ...file]
