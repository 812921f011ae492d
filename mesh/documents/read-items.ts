import { isFields } from '../is-fields.ts'
import type { Problem } from '../problem.ts'
import { err, ok } from '../result.ts'
import type { Result } from '../result.ts'
import { readDocuments } from './read-documents.ts'
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

/** In a list of one kind the API server's own form leaves out what the list says: VirtualServiceList of VirtualServices. */
const toItem = (value: unknown, { kind, apiVersion }: { readonly kind: string; readonly apiVersion?: unknown }) =>
  isFields(value) && value.kind === undefined && value.apiVersion === undefined && kind !== 'List'
    ? { apiVersion, kind: kind.slice(0, -'List'.length), ...value }
    : value

const isList = (
  value: unknown,
): value is { readonly kind: string; readonly apiVersion?: unknown; readonly items: readonly unknown[] } =>
  isFields(value) && typeof value.kind === 'string' && value.kind.endsWith('List') && Array.isArray(value.items)

/** A document is an object, a list of them (JSON's way), or a `kind: List` or `VirtualServiceList` (kubectl's way, and the API server's). */
const toItems = (submitted: SubmittedDocument): readonly SubmittedItem[] => {
  const { value } = submitted
  if (Array.isArray(value)) return value.map((each: unknown, index) => ({ value: each, submitted, at: [index] }))
  if (isList(value))
    return value.items.map((each, index) => ({ value: toItem(each, value), submitted, at: ['items', index] }))
  return [{ value, submitted, at: [] }]
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
  const { [maxObjects]: beyond } = items
  if (!beyond) return ok(items)
  const [line] = beyond.submitted.lines([beyond.at])
  const place = { document: beyond.submitted.number, ...(line !== undefined && { line }) }
  return err([syntaxProblem(`has ${items.length} objects, more than ${maxObjects}`, place, 'too_large')])
}
