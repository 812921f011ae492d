/** A line with something on it that is no comment. */
interface Line {
  readonly indent: number
  readonly content: string
}

/** Not plain enough: the text is for the whole reader. */
const notPlain = Symbol('not plain')
type Read<T> = T | typeof notPlain

const maxDepth = 50
const printable = /^[\n\x20-\x7e]*$/
const keyed = /^([A-Za-z_][A-Za-z0-9_./-]{0,200}):(?: +(.*))?$/
/** No quotes, no indicators, no ": ", no comment. */
const plain = /^[A-Za-z0-9_/.](?:[A-Za-z0-9 _/.+@=~()*,-]|:(?=[^ ]))*$/
const quoted = /^(?:"[^"\\]*"|'[^']*')$/
const wholeNumber = /^(?:0|[1-9]\d{0,14})$/
/** All else that YAML's core schema (§10.3.2) takes for a number. */
const otherNumber =
  /^(?:0o[0-7]+|0x[0-9a-fA-F]+|\d+|\d*\.\d*|(?:\d+(?:\.\d*)?|\.\d+)[eE][-+]?\d+|\.(?:inf|Inf|INF|nan|NaN|NAN))$/
const words: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ...['null', 'Null', 'NULL'].map((word) => [word, null] as const),
  ...['true', 'True', 'TRUE'].map((word) => [word, true] as const),
  ...['false', 'False', 'FALSE'].map((word) => [word, false] as const),
])

const readScalar = (text: string): Read<unknown> => {
  if (quoted.test(text)) return text.slice(1, -1)
  if (!plain.test(text) || otherNumber.test(text)) return wholeNumber.test(text) ? Number(text) : notPlain
  return words.has(text) ? words.get(text) : text
}

/** Adds a member; false when there is one of this name, or the name is one that YAML or JavaScript gives a meaning. */
const addMember = (map: Record<string, unknown>, key: string, value: unknown): boolean => {
  if (key === '__proto__' || words.has(key) || Object.hasOwn(map, key)) return false
  map[key] = value
  return true
}

/** A collection of scalars on one line. */
const readFlow = (text: string): Read<unknown> => {
  const isMap = text.startsWith('{')
  if (!text.endsWith(isMap ? '}' : ']')) return notPlain
  const inner = text.slice(1, -1).trim()
  const parts = inner === '' ? [] : inner.split(',').map((part) => part.trim())
  if (!isMap) {
    const items = parts.map(readScalar)
    return items.includes(notPlain) ? notPlain : items
  }
  const map: Record<string, unknown> = {}
  for (const part of parts) {
    const [, key = '', scalar = ''] = keyed.exec(part) ?? []
    const value = readScalar(scalar)
    if (value === notPlain || !addMember(map, key, value)) return notPlain
  }
  return map
}

const readInline = (text: string): Read<unknown> => (/^[[{]/.test(text) ? readFlow(text) : readScalar(text))

const isItem = ({ content }: Line): boolean => content === '-' || content.startsWith('- ')

/** Reads the block collections of one document, line by line. */
class BlockReader {
  readonly #lines: Line[]
  #at = 0

  constructor(lines: Line[]) {
    this.#lines = lines
  }

  read(): Read<unknown> {
    const value = this.#readBlock(0)
    return this.#at === this.#lines.length ? value : notPlain
  }

  get #line(): Line | undefined {
    return this.#lines[this.#at]
  }

  #readBlock(depth: number): Read<unknown> {
    const line = this.#line
    if (!line || depth > maxDepth) return notPlain
    return isItem(line) ? this.#readSequence(line.indent, depth) : this.#readMap(line.indent, depth)
  }

  #readMap(indent: number, depth: number): Read<unknown> {
    const map: Record<string, unknown> = {}
    for (let line = this.#line; line?.indent === indent && !isItem(line); line = this.#line) {
      const [, key, inline] = keyed.exec(line.content) ?? []
      if (key === undefined) return notPlain
      this.#at += 1
      const value = inline ? this.#afterInline(inline, indent) : this.#readBelow(indent, depth, 'items too')
      if (value === notPlain || !addMember(map, key, value)) return notPlain
    }
    return map
  }

  #readSequence(indent: number, depth: number): Read<unknown> {
    const items: unknown[] = []
    for (let line = this.#line; line?.indent === indent && isItem(line); line = this.#line) {
      const content = line.content.slice(1).trimStart()
      const value = this.#readItem(indent, content, line.content.length - content.length, depth)
      if (value === notPlain) return notPlain
      items.push(value)
    }
    return items
  }

  /** `offset`: from the dash to what follows it, which may be the first member of a map. */
  #readItem(indent: number, content: string, offset: number, depth: number): Read<unknown> {
    if (keyed.test(content)) {
      this.#lines[this.#at] = { indent: indent + offset, content }
      return this.#readBlock(depth + 1)
    }
    this.#at += 1
    return content === '' ? this.#readBelow(indent, depth) : this.#afterInline(content, indent)
  }

  /** What is indented below a key or a dash; nothing there is null. The items below a key may be no further in than it is. */
  #readBelow(indent: number, depth: number, orLevel?: 'items too'): Read<unknown> {
    const next = this.#line
    const isBelow = next && (next.indent > indent || (orLevel && next.indent === indent && isItem(next)))
    return isBelow ? this.#readBlock(depth + 1) : null
  }

  /** A scalar that went on in the next line would be indented more. */
  #afterInline(text: string, indent: number): Read<unknown> {
    return (this.#line?.indent ?? 0) > indent ? notPlain : readInline(text)
  }
}

const toLines = (section: string): Line[] =>
  section.split('\n').flatMap((text) => {
    const content = text.trim()
    return content === '' || content.startsWith('#') ? [] : [{ indent: text.length - text.trimStart().length, content }]
  })

/**
 * Most files consist of block collections, scalars and short flow collections on one line, and comments on lines of their own. That much
 * of YAML is read here, several times as fast as by the tokenizer: the value of every document. Undefined when there is anything else in
 * the text, anything wrong, or anything that may be: `readYaml` then looks at the whole of it.
 */
export const readPlainYaml = (text: string, maxDocuments: number): readonly unknown[] | undefined => {
  if (!printable.test(text)) return undefined
  const [first = [], ...others] = text.split(/^---$/m).map(toLines)
  // What stands before the first marker is a document only when it says something.
  const documents = first.length === 0 ? others : [first, ...others]
  if (documents.length > maxDocuments) return undefined
  const values: unknown[] = []
  for (const lines of documents) {
    const value = new BlockReader(lines).read()
    if (value === notPlain) return undefined
    values.push(value)
  }
  return values
}
