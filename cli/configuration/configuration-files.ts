import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { countLines } from '#mesh/documents/count-lines.ts'
import type { CliIo } from '../cli-io.ts'
import { attemptRead } from '../attempt-read.ts'
import { CliError } from '../cli-error.ts'
import { splitJson } from './split-json.ts'

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

/** Beyond it a file is no configuration that a person has written or exported. */
const maxFileBytes = 64 * 1024 * 1024

const readText = async (file: string, io: CliIo): Promise<string> => {
  const text = file === '-' ? await io.readStdin() : attemptRead(file, () => readSmall(file))
  return text.replace(/^\uFEFF/, '')
}

const readSmall = (file: string): string => {
  const { size } = statSync(file)
  if (size > maxFileBytes) {
    throw new CliError('usage', `${file} is too large: it has ${size} bytes, more than ${maxFileBytes}`, {
      remedy: 'Leave it out, or split it.',
    })
  }
  return readFileSync(file, 'utf8')
}

/**
 * Reads files, folders and "-" into one stream, less the files that are left out. Throws CliError `usage` that names what can't be read.
 */
export const readConfiguration = async (
  paths: readonly string[],
  io: CliIo,
  isLeftOut: (file: string, text: string) => boolean = () => false,
): Promise<ConfigurationText> => {
  const names = [...new Set(paths)].flatMap((path) => attemptRead(path, () => listFiles(path)))
  const files: { readonly name: string; readonly text: string }[] = []
  for (const name of names) {
    const text = await readText(name, io)
    if (!isLeftOut(name, text)) files.push({ name: name === '-' ? 'standard input' : name, text })
  }
  const parts = files.flatMap(toParts)
  const isStream = parts.length > 1
  const starts: { readonly part: Part; readonly line: number }[] = []
  let line = 1
  for (const part of parts) {
    if (isStream) line += 1
    starts.push({ part, line })
    line += countLines(part.text)
  }
  return {
    // Each of several begins a document of its own, whatever the one before it ended with.
    text: parts.map(({ text }) => (isStream ? `---\n${text}` : text)).join(''),
    findPlace: (wanted) => {
      const start = starts.findLast((candidate) => candidate.line <= wanted)
      return start && `${start.part.name}:${wanted - start.line + start.part.line}`
    },
  }
}

/** A file, or one of several JSON values in it. */
interface Part {
  readonly name: string
  /** With its final newline. */
  readonly text: string
  /** Of the file, where the text begins. */
  readonly line: number
}

const toParts = ({ name, text }: { readonly name: string; readonly text: string }): readonly Part[] => {
  let line = 1
  return splitJson(text).map((part) => {
    const from = line
    line += countLines(part)
    return { name, text: part.replace(/\n?$/, '\n'), line: from }
  })
}
