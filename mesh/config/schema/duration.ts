import { z } from 'zod'
import { checked } from './message.ts'

/** A span of time as Istio writes it: Go's notation, such as `250ms`, `1.5s`, `1h30m`. Read it with `toMilliseconds`. */
export type Duration = string & z.core.$brand<'Duration'>

const unitNanoseconds: Readonly<Record<string, bigint>> & { readonly s: bigint } = {
  ns: 1n,
  us: 1000n,
  µs: 1000n,
  μs: 1000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
}
const millisecond = 1_000_000n
const duration =
  /^\+?(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h)(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))*$/
const part = /(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)/g
/** google.protobuf.Duration ends at 315,576,000,000 s; nothing here is sensible beyond a year. */
const maxMilliseconds = 366n * 24n * 3_600_000n

/** Exact: sums of fractions (0.1s + 0.2s) are not, in floating point. */
const toNanoseconds = (text: string): bigint => {
  let total = 0n
  for (const [, whole = '', fraction = '', unit = ''] of text.matchAll(part)) {
    total += (BigInt(`${whole}${fraction}`) * (unitNanoseconds[unit] ?? 0n)) / 10n ** BigInt(fraction.length)
  }
  return total
}

/** Sums are exact, however many digits there are: their cost grows faster than the text. */
const maxLength = 64
const form = 'must be a duration such as 250ms, 5s, 1h30m'
const text = z
  .string({ error: ({ input }) => (input === undefined ? undefined : form) })
  .max(maxLength, { abort: true })

const durationFrom = (minMilliseconds: 0 | 1) =>
  checked(text, ({ value, report }) => {
    if (value === '0' && minMilliseconds === 0) return
    if (!duration.test(value)) return report(form)
    const total = toNanoseconds(value)
    if (total < BigInt(minMilliseconds) * millisecond) report('must be at least 1ms')
    else if (total % millisecond !== 0n) report('must be a whole number of milliseconds')
    else if (total > maxMilliseconds * millisecond) report('must be at most 366 days (8784h)')
  }).brand<'Duration'>()

/** At least 1ms (Istio's rule for all durations but the few that 0s switches off). */
export const positiveDuration = durationFrom(1)
export const durationOrZero = durationFrom(0)

/** Any span of Go's notation as protobuf's JSON has it, in seconds alone: "0.25s". Undefined = it is none. */
export const toProtoDuration = (text: string): string | undefined => {
  if (text.length > maxLength || (text !== '0' && !duration.test(text))) return undefined
  const total = toNanoseconds(text)
  const fraction = String(total % unitNanoseconds.s)
    .padStart(9, '0')
    .replace(/0+$/, '')
  return `${total / unitNanoseconds.s}${fraction && `.${fraction}`}s`
}

export const toMilliseconds = (text: Duration): number => Number(toNanoseconds(text) / millisecond)
