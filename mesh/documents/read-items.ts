import { isFields } from '../is-fields.ts'
import type { Problem } from '../problem.ts'
import { err, ok } from '../result.ts'
import type { Result } from '../result.ts'
import { readJson } from './read-json.ts'
import { readYaml } from './read-yaml.ts'
import { syntaxProblem } from './submitted-document.ts'
import type { Path, SubmittedDocument } from './submitted-document.ts'

export interface TextLimits {
  readonly maxCharacters: number
  readonly maxObjects: number
}

/** What should be one object, and where in its document it is. */
export interface SubmittedItem {
  readonly value: unknown
  readonly submitted: SubmittedDocument
  readonly at: Path
}

/** A document is an object, a list of them (JSON's way) or a `kind: List` (kubectl's way). */
const toItems = (submitted: SubmittedDocument): readonly SubmittedItem[] => {
  const { value } = submitted
  if (Array.isArray(value)) return value.map((each: unknown, index) => ({ value: each, submitted, at: [index] }))
  if (isFields(value) && value.kind === 'List' && Array.isArray(value.items)) {
    return value.items.map((each: unknown, index) => ({ value: each, submitted, at: ['items', index] }))
  }
  return [{ value, submitted, at: [] }]
}

const readDocuments = (text: string, maxObjects: number): Result<readonly SubmittedDocument[], readonly Problem[]> => {
  const json = /^\s*[[{]/.test(text) ? readJson(text) : undefined
  if (json) return json.ok ? ok([json.value]) : json
  return readYaml(text, maxObjects)
}

/** Takes a text apart into what should be objects. */
export const readItems = (
  text: string,
  { maxCharacters, maxObjects }: TextLimits,
): Result<readonly SubmittedItem[], readonly Problem[]> => {
  if (text.length > maxCharacters) {
    return err([syntaxProblem(`has more than ${maxCharacters} characters`, {}, 'too_large')])
  }
  const documents = readDocuments(text, maxObjects)
  if (!documents.ok) return documents
  const items = documents.value.flatMap(toItems)
  return items.length > maxObjects
    ? err([syntaxProblem(`has ${items.length} objects, more than ${maxObjects}`, {}, 'too_large')])
    : ok(items)
}
