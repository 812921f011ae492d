import { isFields } from '../is-fields.ts'
import { isEqualData } from '../merge/equal-data.ts'

/** RFC 6902. */
export type PatchOperation =
  | { readonly op: 'add' | 'replace'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string }

/** What makes `before` into `after`: by the members of objects, in the order of `after`; an array that differs is replaced whole. */
export const toJsonPatch = (before: unknown, after: unknown, path = ''): readonly PatchOperation[] => {
  if (isEqualData(before, after)) return []
  if (!isFields(before) || !isFields(after)) return [{ op: 'replace', path, value: after }]
  const removed = Object.keys(before).filter((name) => !Object.hasOwn(after, name))
  return [
    ...removed.map((name): PatchOperation => ({ op: 'remove', path: `${path}/${escape(name)}` })),
    ...Object.entries(after).flatMap(([name, value]): readonly PatchOperation[] => {
      const place = `${path}/${escape(name)}`
      return Object.hasOwn(before, name) ? toJsonPatch(before[name], value, place) : [{ op: 'add', path: place, value }]
    }),
  ]
}

/** RFC 6901 §3 */
const escape = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1')
