import type { Problem } from '../problem.ts'
import { err, ok } from '../result.ts'
import type { Result } from '../result.ts'
import { countLines } from './count-lines.ts'
import { readJson } from './read-json.ts'
import { readYaml } from './read-yaml.ts'
import { splitDocuments } from './split-documents.ts'
import type { SubmittedDocument } from './submitted-document.ts'

type Read = Result<readonly SubmittedDocument[], readonly Problem[]>

/** What comes before a part of a text. */
interface Before {
  readonly documents: number
  readonly lines: number
}

/**
 * A JSON value, or YAML's documents, of which some may be JSON: these are read as what they are, for as YAML a large list takes a hundred times the
 * time and memory.
 */
export const readDocuments = (text: string, maxDocuments: number): Read => {
  const whole = readAsJson(text)
  if (whole) return whole
  const pieces = splitDocuments(text)
  // As many are too many, whatever they are.
  if (pieces.length > maxDocuments + 1) return readYaml(text, maxDocuments)
  const documents: SubmittedDocument[] = []
  const problems: Problem[] = []
  let before: Before = { documents: 0, lines: 0 }
  for (const { count, lines, read } of toRuns(pieces, maxDocuments)) {
    if (read.ok) documents.push(...read.value.map((each) => shiftDocument(each, before)))
    else problems.push(...read.error.map((each) => shiftProblem(each, before)))
    before = { documents: before.documents + count, lines: before.lines + lines }
  }
  return problems.length > 0 ? err(problems) : ok(documents)
}

interface Run {
  readonly count: number
  readonly lines: number
  readonly read: Read
}

/** Each piece that is JSON, and what is between those as one. */
function* toRuns(pieces: readonly string[], maxDocuments: number): Generator<Run> {
  let plain: string[] = []
  const readPlain = (): readonly Run[] => {
    const text = plain.join('')
    const run = { count: plain.filter(isDocument).length, lines: countLines(text), read: readYaml(text, maxDocuments) }
    plain = []
    return text === '' ? [] : [run]
  }
  for (const piece of pieces) {
    const read = readAsJson(piece.replace(/^---/, ''))
    if (!read) plain.push(piece)
    else {
      yield* readPlain()
      yield { count: 1, lines: countLines(piece), read }
    }
  }
  yield* readPlain()
}

const readAsJson = (text: string): Read | undefined => {
  const json = /^\s*[[{]/.test(text) ? readJson(text) : undefined
  return json?.ok ? ok([json.value]) : json
}

/** Before the first "---" there may be nothing but comments. */
const isDocument = (piece: string): boolean => piece.startsWith('---') || /^[^\S\n]*[^#\s]/m.test(piece)

const shiftDocument = (document: SubmittedDocument, before: Before): SubmittedDocument => ({
  number: document.number + before.documents,
  value: document.value,
  lines: (paths) => document.lines(paths).map((line) => line + before.lines),
})

const shiftProblem = ({ document, line, ...problem }: Problem, before: Before): Problem => ({
  ...problem,
  ...(document !== undefined && { document: document + before.documents }),
  ...(line !== undefined && { line: line + before.lines }),
})
