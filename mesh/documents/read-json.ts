import { LineCounter } from 'yaml'
import type { Problem, ProblemCode } from '../problem.ts'
import { err, ok } from '../result.ts'
import type { Result } from '../result.ts'
import { maxNesting, syntaxProblem } from './submitted-document.ts'
import type { Path, SubmittedDocument } from './submitted-document.ts'

/** An object or array that is open at some place of the text. */
interface Frame {
  /** The names so far; absent in an array. */
  readonly names: Set<string> | undefined
  /** The member or element that is being read. */
  part: string | number
}

interface Entry {
  readonly path: Path
  readonly offset: number
  readonly fault?: { readonly code: ProblemCode; readonly message: string }
}

const tokens = /"(?:[^"\\]|\\.)*"|[{}[\],]/g

const skipSpace = (text: string, from: number): number => {
  let at = from
  while (/\s/.test(text.charAt(at))) at += 1
  return at
}

/** The members and elements of a text that is known to be JSON, in its order. Ends where the nesting is too deep. */
function* walkJson(text: string): Generator<Entry> {
  const open: Frame[] = []
  const entry = (offset: number): Entry => ({ path: open.map((frame) => frame.part), offset })
  let expectsName = false
  for (const { 0: token, index: offset } of text.matchAll(tokens)) {
    const frame = open.at(-1)
    if (token === '{' || token === '[') {
      if (open.length === maxNesting) {
        yield { ...entry(offset), fault: { code: 'too_large', message: `is nested more than ${maxNesting} deep` } }
        return
      }
      expectsName = token === '{'
      open.push({ names: expectsName ? new Set() : undefined, part: 0 })
      if (!expectsName) yield entry(skipSpace(text, offset + 1))
    } else if (token === '}' || token === ']') {
      open.pop()
      expectsName = false
    } else if (token === ',') {
      expectsName = frame?.names !== undefined
      if (typeof frame?.part !== 'number' || expectsName) continue
      frame.part += 1
      yield entry(skipSpace(text, offset + 1))
    } else if (expectsName && frame?.names) {
      const name = String(JSON.parse(token))
      frame.part = name
      yield frame.names.has(name)
        ? { ...entry(offset), fault: { code: 'syntax', message: `the key "${name}" is there twice` } }
        : entry(offset)
      frame.names.add(name)
      expectsName = false
    }
  }
}

const countLines = (text: string): LineCounter => {
  const lines = new LineCounter()
  for (let at = 0; at !== 0 || lines.lineStarts.length === 0; at = text.indexOf('\n', at) + 1) lines.addNewLine(at)
  return lines
}

const toKey = (path: Path): string => JSON.stringify(path)
const prefixes = (path: Path): readonly Path[] =>
  Array.from({ length: path.length + 1 }, (_, length) => path.slice(0, length))

/** One walk for all: a problem report may ask for hundreds of places in a large text. */
const linesOfPaths = (text: string, paths: readonly Path[]): readonly number[] => {
  const wanted = new Set(paths.flatMap(prefixes).map(toKey))
  const offsets = new Map([[toKey([]), skipSpace(text, 0)]])
  for (const { path, offset } of walkJson(text)) {
    const key = toKey(path)
    if (wanted.has(key)) offsets.set(key, offset)
    if (offsets.size === wanted.size) break
  }
  const lines = countLines(text)
  return paths.map((path) => {
    const nearest = prefixes(path).findLast((prefix) => offsets.has(toKey(prefix))) ?? []
    return lines.linePos(offsets.get(toKey(nearest)) ?? 0).line
  })
}

const maxFaults = 100

/** One JSON value, with keys that are there twice refused; undefined when the text is no JSON. */
export const readJson = (text: string): Result<SubmittedDocument, readonly Problem[]> | undefined => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  const lines = countLines(text)
  const problems: Problem[] = []
  for (const { fault, offset } of walkJson(text)) {
    if (fault)
      problems.push(syntaxProblem(fault.message, { document: 1, line: lines.linePos(offset).line }, fault.code))
    if (problems.length === maxFaults) break
  }
  return problems.length > 0 ? err(problems) : ok({ number: 1, value, lines: (paths) => linesOfPaths(text, paths) })
}
