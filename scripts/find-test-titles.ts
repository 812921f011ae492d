import { parseSync } from 'oxc-parser'

interface Node {
  readonly type: string
  readonly [field: string]: unknown
}

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && 'type' in value

/** What a test is called by, "test" and "each" of `test.each(rows)(title, …)`; undefined = it is called by nothing that has a name. */
const toNames = (callee: unknown): readonly string[] | undefined => {
  if (!isNode(callee)) return undefined
  if (callee.type === 'Identifier') return [String(callee['name'])]
  if (callee.type === 'CallExpression') return toNames(callee['callee'])
  if (callee.type === 'TaggedTemplateExpression') return toNames(callee['tag'])
  if (callee.type !== 'MemberExpression') return undefined
  const [of, property] = [toNames(callee['object']), toNames(callee['property'])]
  return of && property && [...of, ...property]
}

/** A placeholder of a template literal is `${}`. */
const toText = (value: unknown): string | undefined => {
  if (!isNode(value)) return undefined
  if (value.type === 'Literal') return typeof value['value'] === 'string' ? value['value'] : undefined
  if (value.type !== 'TemplateLiteral') return undefined
  const quasis = value['quasis'] as readonly { readonly value: { readonly cooked: string | null } }[]
  return quasis.map((quasi) => quasi.value.cooked ?? '').join('${}')
}

/** What the rows of `each([…])` begin with: their names, where the title says "%s". */
const toRowNames = (callee: unknown): readonly string[] => {
  if (!isNode(callee) || callee.type !== 'CallExpression') return []
  const [given] = callee['arguments'] as readonly unknown[]
  const table = isNode(given) && given.type === 'TSAsExpression' ? given['expression'] : given
  const rows = isNode(table) && table.type === 'ArrayExpression' ? (table['elements'] as readonly unknown[]) : []
  return rows.flatMap((row) => {
    const first = isNode(row) && row.type === 'ArrayExpression' ? (row['elements'] as readonly unknown[])[0] : row
    return toText(first) ?? []
  })
}

const unrun: ReadonlySet<string> = new Set(['skip', 'todo', 'fails'])

/** Adds the titles of tests below a value, and of what is `around` them, to `into`. */
const collect = (value: unknown, around: readonly string[], into: Set<string>): void => {
  if (Array.isArray(value)) for (const item of value) collect(item, around, into)
  if (!isNode(value)) return
  const isCall = value.type === 'CallExpression'
  const [runner = '', ...modifiers] = (isCall && toNames(value['callee'])) || []
  const parts = isCall ? (value['arguments'] as readonly unknown[]) : []
  const title = toText(parts[0])
  const isTest = runner === 'test' || runner === 'it'
  if ((!isTest && runner !== 'describe') || title === undefined) {
    for (const field of Object.values(value)) collect(field, around, into)
    return
  }
  if (parts.length < 2 || modifiers.some((name) => unrun.has(name))) return
  const titles = [...around, title, ...(title.includes('%s') ? toRowNames(value['callee']) : [])]
  if (isTest) for (const each of titles) into.add(each)
  else collect(parts.slice(1), titles, into)
}

/** The titles of the tests in a file that are run, as they are written there, with the names of rows and of each `describe` that has such tests. */
export const findTestTitles = (file: string, text: string): ReadonlySet<string> => {
  const { program, errors } = parseSync(file, text)
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]?.message}`)
  const titles = new Set<string>()
  collect(program, [], titles)
  return titles
}
