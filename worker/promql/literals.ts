import { QueryError } from './query-error.ts'

const unitsMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000, y: 31_536_000_000 } as const
const durationPattern = /^(?:\d+y)?(?:\d+w)?(?:\d+d)?(?:\d+h)?(?:\d+m)?(?:\d+s)?(?:\d+ms)?$/

/** "1h30m", or seconds: in milliseconds. Undefined: it is neither. */
export const parseDuration = (text: string): number | undefined => {
  if (/^\d+(\.\d+)?$/.test(text)) return Math.round(Number(text) * 1000)
  if (text === '' || !durationPattern.test(text)) return undefined
  return [...text.matchAll(/(\d+)(ms|[smhdwy])/g)].reduce(
    (sum, [, count, unit]) => sum + Number(count) * unitsMs[unit as keyof typeof unitsMs],
    0,
  )
}

/** Go's way to write numbers, and durations as seconds. */
export const parseNumber = (text: string): number => {
  const word = text.toLowerCase().replaceAll('_', '')
  if (word === 'inf' || word === '+inf') return Infinity
  if (word === 'nan') return Number.NaN
  const number = Number(word)
  if (!Number.isNaN(number)) return number
  const duration = parseDuration(text)
  if (duration === undefined) throw new QueryError(`${text} is not a number`)
  return duration / 1000
}

const escapes: Readonly<Record<string, string>> = {
  a: '\u0007',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
}
const escapePattern = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|([\s\S]))/g

const toCharacter = (code: number): string => {
  if (code > 0x10ffff) throw new QueryError('an escape stands for no character')
  return String.fromCodePoint(code)
}

/** A quoted text as in Go: escapes, except between backticks. */
export const parseText = (quoted: string): string => {
  const text = quoted.slice(1, -1)
  if (quoted.startsWith('`')) return text
  return text.replaceAll(
    escapePattern,
    (whole, x?: string, u?: string, long?: string, octal?: string, one?: string) => {
      const hex = x ?? u ?? long
      if (hex !== undefined) return toCharacter(Number.parseInt(hex, 16))
      if (octal !== undefined) return toCharacter(Number.parseInt(octal, 8))
      const plain = one === '\\' || one === '"' || one === "'" ? one : escapes[one ?? '']
      if (plain === undefined) throw new QueryError(`${whole} is not an escape`)
      return plain
    },
  )
}
