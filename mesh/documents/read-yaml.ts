import { Composer, CST, Lexer, LineCounter, Parser, isAlias, isMap, isNode, isScalar, isSeq } from 'yaml'
import type { Document, Tags, YAMLMap } from 'yaml'
import type { Problem } from '../problem.ts'
import { err, ok } from '../result.ts'
import type { Result } from '../result.ts'
import { maxNesting, syntaxProblem } from './submitted-document.ts'
import type { Path, SubmittedDocument } from './submitted-document.ts'

/** Anchors and aliases of a document: resolving them costs the square of their number. */
const maxAnchors = 100
/** How often aliases may repeat what they stand for (the yaml package's guard against "billion laughs"). */
const maxAliasCount = 100

type YamlDocument = Document.Parsed

/** Turns the text into tokens, and stops where it could cost more than it is worth. */
const tokenize = (text: string, lines: LineCounter, maxDocuments: number): Result<readonly CST.Token[], Problem> => {
  const parser = new Parser(lines.addNewLine)
  lines.addNewLine(0)
  const tokens: CST.Token[] = []
  let anchors = 0
  let documents = 0
  for (const lexeme of new Lexer().lex(text)) {
    const type = CST.tokenType(lexeme)
    if (type === 'doc-mode' || type === 'doc-start') anchors = 0
    if (type === 'anchor' || type === 'alias') anchors += 1
    if (type === 'doc-mode') documents += 1
    for (const token of parser.next(lexeme)) tokens.push(token)
    const fault =
      (parser.stack.length > maxNesting && `is nested more than ${maxNesting} deep`) ||
      (anchors > maxAnchors && `has more than ${maxAnchors} anchors and aliases`) ||
      (documents > maxDocuments && `has more than ${maxDocuments} documents`)
    if (fault) return err(syntaxProblem(fault, { line: lines.linePos(parser.offset).line }, 'too_large'))
  }
  for (const token of parser.end()) tokens.push(token)
  return ok(tokens)
}

interface Fault {
  readonly message: string
  readonly offset: number | undefined
}

/** The name that a key stands for; undefined when it is a collection, an alias or a null. */
const keyName = (key: unknown): string | undefined => {
  if (!isScalar(key)) return undefined
  const { value } = key
  // The library's mark of "<<".
  if (typeof value === 'symbol') return value.description
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : undefined
}

const mapFaults = (map: YAMLMap): readonly Fault[] => {
  const seen = new Set<string>()
  return map.items.flatMap(({ key }) => {
    const offset = isNode(key) ? key.range?.[0] : undefined
    const name = keyName(key)
    if (name === undefined) return [{ message: 'a key must be a plain string', offset }]
    if (seen.has(name)) return [{ message: `the key "${name}" is there twice`, offset }]
    seen.add(name)
    return []
  })
}

/** Keys that are there twice, and keys that are no names. */
const keyFaults = (node: unknown): readonly Fault[] => {
  if (isMap(node)) return [...mapFaults(node), ...node.items.flatMap((pair) => keyFaults(pair.value))]
  return isSeq(node) ? node.items.flatMap(keyFaults) : []
}

const lineOfPath = (document: YamlDocument, path: Path, lines: LineCounter): number => {
  let node: unknown = document.contents
  let offset = (isNode(node) ? node.range?.[0] : undefined) ?? 0
  for (const part of path) {
    if (isAlias(node)) node = node.resolve(document)
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => keyName(key) === String(part))
      if (!pair) break
      offset = (isNode(pair.key) ? pair.key.range?.[0] : undefined) ?? offset
      node = pair.value
    } else if (isSeq(node) && typeof part === 'number') {
      node = node.items[part]
      offset = (isNode(node) ? node.range?.[0] : undefined) ?? offset
    } else break
  }
  return lines.linePos(offset).line
}

const readDocument = (
  document: YamlDocument,
  number: number,
  lines: LineCounter,
): Result<SubmittedDocument, readonly Problem[]> => {
  const faults: readonly Fault[] = [
    // Warnings are of unknown tags, which would make a value something else than it says.
    ...[...document.errors, ...document.warnings].map(({ message, pos }) => ({ message, offset: pos[0] })),
    ...keyFaults(document.contents),
  ]
  if (faults.length > 0) {
    return err(
      faults.map(({ message, offset }) =>
        syntaxProblem(message, { document: number, ...(offset !== undefined && { line: lines.linePos(offset).line }) }),
      ),
    )
  }
  try {
    const value: unknown = document.toJS({ maxAliasCount })
    return ok({ number, value, lines: (paths) => paths.map((path) => lineOfPath(document, path, lines)) })
  } catch (error) {
    // A ReferenceError: an alias without its anchor, or too many repetitions.
    const message = error instanceof Error ? error.message : "has aliases that can't be resolved"
    return err([syntaxProblem(message, { document: number }, message.startsWith('Excessive') ? 'too_large' : 'syntax')])
  }
}

const isNotOfKubernetes = ({ tag, format }: { readonly tag: string; readonly format?: string | undefined }): boolean =>
  format === 'TIME' || /:(?:timestamp|binary|omap|pairs|set)$/.test(tag)

/** How plain scalars are read: "kubernetes" as kubectl does, with YAML 1.1's `0644` and `yes`, but with dates as text. Both take its merges (`<<`). */
const dialects = {
  core: { version: '1.2', schema: 'core', merge: true },
  kubernetes: {
    version: '1.1',
    schema: 'yaml-1.1',
    customTags: (tags: Tags) => tags.filter((tag) => typeof tag === 'string' || !isNotOfKubernetes(tag)),
  },
} as const

/** YAML (and JSON): each document's value, or what is wrong with the syntax. Empty documents are left out. */
export const readYaml = (
  text: string,
  maxDocuments: number,
  dialect: keyof typeof dialects = 'core',
): Result<readonly SubmittedDocument[], readonly Problem[]> => {
  const lines = new LineCounter()
  const tokens = tokenize(text, lines, maxDocuments)
  if (!tokens.ok) return err([tokens.error])
  const composer = new Composer({
    ...dialects[dialect],
    resolveKnownTags: false,
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: 'silent',
  })
  const documents: SubmittedDocument[] = []
  const problems: Problem[] = []
  let number = 0
  for (const document of composer.compose(tokens.value)) {
    number += 1
    const read = readDocument(document, number, lines)
    if (!read.ok) problems.push(...read.error)
    else if (read.value.value !== null) documents.push(read.value)
  }
  return problems.length > 0 ? err(problems) : ok(documents)
}
