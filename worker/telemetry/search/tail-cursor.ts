import { AtollError } from '#api/atoll-error.ts'
import { readCursor, toCursor } from '../../page.ts'
import { hashText } from './hash-text.ts'

/** The last chunk of each cluster that a tail has told of. */
export interface TailPlaces {
  readonly get: (cluster: string) => number | undefined
}

/** Where a tail ends. Names are in it as hashes: with those of hundreds of clusters it would be too long for a URL. */
export const toTailCursor = (places: ReadonlyMap<string, number>): string =>
  toCursor([...places].flatMap(([cluster, chunk]) => [hashText(cluster), chunk]))

/** Where one goes on; a cluster that was not there is told of from now on. Throws AtollError `invalid_request`. */
export const parseTailCursor = (cursor: string | undefined): TailPlaces => {
  if (cursor === undefined) return new Map()
  const numbers = readCursor(cursor)
  if (
    !Array.isArray(numbers) ||
    numbers.length % 2 > 0 ||
    !numbers.every((each) => Number.isSafeInteger(each) && each >= 0)
  )
    throw new AtollError('invalid_request', 'the cursor is not one of a tail')
  const places = new Map<number, number>()
  for (let index = 0; index < numbers.length; index += 2) places.set(Number(numbers[index]), Number(numbers[index + 1]))
  return { get: (cluster) => places.get(hashText(cluster)) }
}
