import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { CliIo } from '../cli-io.ts'
import { attemptRead } from '../attempt-read.ts'
import { CliError } from '../cli-error.ts'

/** Files of configuration as one YAML stream. */
export interface ConfigurationText {
  readonly text: string
  /** "file:line" of a line of the stream. */
  readonly findPlace: (line: number) => string | undefined
}

const isConfigurationFile = (name: string): boolean => /\.(ya?ml|json)$/.test(name) && !name.startsWith('.')

/** The files of a folder and its subfolders, sorted; a file as it is. "-" is the standard input. */
const listFiles = (path: string): string[] => {
  if (path === '-' || !statSync(path).isDirectory()) return [path]
  const entries = readdirSync(path, { withFileTypes: true, recursive: true })
  const files = entries.filter((entry) => !entry.isDirectory() && isConfigurationFile(entry.name))
  if (files.length === 0) throw new CliError('usage', `There is no .yaml, .yml or .json file in ${path}`)
  return files.map((entry) => join(entry.parentPath, entry.name)).toSorted()
}

/** Reads files, folders and "-" into one stream. Throws CliError `usage` that names what can't be read. */
export const readConfiguration = async (paths: readonly string[], io: CliIo): Promise<ConfigurationText> => {
  const files = [...new Set(paths)].flatMap((path) => attemptRead(path, () => listFiles(path)))
  const starts: { readonly name: string; readonly line: number }[] = []
  let text = ''
  for (const file of files) {
    const content = file === '-' ? await io.readStdin() : attemptRead(file, () => readFileSync(file, 'utf8'))
    // Each of several files begins a document of its own, whatever the one before it ended with.
    if (files.length > 1) text += '---\n'
    starts.push({ name: file === '-' ? 'standard input' : file, line: text.split('\n').length })
    text += content.replace(/^\uFEFF/, '').replace(/\n?$/, '\n')
  }
  const findPlace = (wanted: number) => {
    const start = starts.findLast((candidate) => candidate.line <= wanted)
    return start && `${start.name}:${wanted - start.line + 1}`
  }
  return { text, findPlace }
}
