import { isFields } from './is-fields.ts'

/** JSON with sorted keys: two objects that say the same are the same text, however they were written. */
export const toCanonicalJson = (value: unknown): string => JSON.stringify(value, sortKeys)

const sortKeys = (_key: string, value: unknown): unknown =>
  isFields(value) ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : value
