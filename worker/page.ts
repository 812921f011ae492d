import { AtollError } from '#api/atoll-error.ts'
import { parseJson } from '#mesh/parse-json.ts'
import { fromBase64, toBase64Url, toUtf8 } from './encode-bytes.ts'

/** A page out of one item more than it holds: that one tells whether there is another page. */
export const toPage = <Item>(
  items: readonly Item[],
  limit: number,
  placeOf: (last: Item) => readonly (string | number)[],
): { items: Item[]; nextCursor: string | null } => {
  const shown = items.slice(0, limit)
  const last = shown.at(-1)
  const isLast = items.length <= limit || last === undefined
  return { items: shown, nextCursor: isLast ? null : toCursor(placeOf(last)) }
}

/** Where a page begins. Callers are to treat the text as a secret of ours, so that the order of a list may change. */
export const toCursor = (place: readonly (string | number)[]): string => toBase64Url(toUtf8(JSON.stringify(place)))

/** What is in a cursor, which may come from anybody; undefined = it is none. */
export const readCursor = (cursor: string): unknown =>
  parseJson(new TextDecoder().decode(fromBase64(cursor) ?? new Uint8Array()))

/** The place that a cursor names, or `first` when there is none. Throws AtollError `invalid_request` when it is not one of this list. */
export const parseCursor = <Place extends readonly (string | number)[]>(
  cursor: string | undefined,
  first: Place,
): Place => {
  if (cursor === undefined) return first
  const place = readCursor(cursor)
  if (!isLike(place, first)) throw new AtollError('invalid_request', 'the cursor is not one of this list')
  return place
}

const isLike = <Place extends readonly (string | number)[]>(place: unknown, other: Place): place is Place =>
  Array.isArray(place) &&
  place.length === other.length &&
  other.every((part, index) => typeof place[index] === typeof part)

/** Where a list by time of making and id, newest first, begins. */
export const newestPlace: readonly [createdAt: number, id: string] = [Number.MAX_SAFE_INTEGER, '']
/** Where a list by number, newest first, begins. */
export const highestPlace: readonly [before: number] = [Number.MAX_SAFE_INTEGER]
/** Where a list by name begins. */
export const firstPlace: readonly [after: string] = ['']
