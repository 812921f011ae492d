import { z } from 'zod'

/** A word that this version does not know. Shown as it is. */
export type UnknownWord = string & z.core.$brand<'UnknownWord'>

/**
 * One of the words that an answer may hold here, or one that a newer plane has: a client reads on and shows it as it is. The plane itself can say none
 * but the known ones, and what comes in requests is never open.
 */
export const openEnum = <const Words extends readonly string[]>(words: Words) =>
  z.union([z.enum(words), z.string().brand<'UnknownWord', 'inout'>()])
