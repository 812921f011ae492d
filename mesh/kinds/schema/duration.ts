import { z } from 'zod'
import { checked } from './message.ts'

/** A span of time as Istio writes it: Go's notation, such as `250ms`, `1.5s`, `1h30m`. Read it with `toMilliseconds`. */
export type Duration = string & z.core.$brand<'Duration'>

const unitMilliseconds: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}
const duration =
  /^\+?(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h)(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))*$/
const part = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g
/** google.protobuf.Duration ends at 315,576,000,000 s; nothing here is sensible beyond a year. */
const maxMilliseconds = 366 * 24 * 3_600_000
/** Sums of fractions (0.1s + 0.2s) are not exact in binary. */
const roundingError = 1e-6

const sum = (text: string): number => {
  let total = 0
  for (const [, amount, unit] of text.matchAll(part))
    total += Number(amount) * (unitMilliseconds[unit ?? ''] ?? Number.NaN)
  const rounded = Math.round(total)
  return Math.abs(total - rounded) < roundingError ? rounded : total
}

const durationFrom = (minMilliseconds: 0 | 1) =>
  checked(z.string().max(64), ({ value, report }) => {
    if (value === '0' && minMilliseconds === 0) return
    if (!duration.test(value)) return report('must be a duration such as 250ms, 5s, 1h30m')
    const total = sum(value)
    if (total < minMilliseconds) report('must be at least 1ms')
    else if (!Number.isInteger(total)) report('must be a whole number of milliseconds')
    else if (total > maxMilliseconds) report('must be at most 366 days (8784h)')
  }).brand<'Duration'>()

/** At least 1ms (Istio's rule for all durations but the few that 0s switches off). */
export const positiveDuration = durationFrom(1)
export const durationOrZero = durationFrom(0)

export const toMilliseconds = (text: Duration): number => sum(text)
