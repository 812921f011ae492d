import fc from 'fast-check'
import { expect, it } from 'vitest'
import { durationOrZero, positiveDuration, toMilliseconds, toProtoDuration } from '#mesh/config/schema/duration.ts'

it.each([
  ['250ms', 250],
  ['1.5s', 1500],
  ['.5s', 500],
  ['1h30m', 5_400_000],
  ['1m1s1ms', 61_001],
  ['1000us', 1],
  ['0.1s0.2s', 300],
  ['8784h', 31_622_400_000],
])('%s is %d ms', (text, milliseconds) => {
  expect(toMilliseconds(positiveDuration.parse(text))).toBe(milliseconds)
})

it.each(['', '1', '5 s', '-1s', '1d', '1.5.5s', '0s', '999us', '1.5ms', '1ns', '8785h', 's', '1h '])(
  '%j is refused',
  (text) => {
    expect(positiveDuration.safeParse(text).success).toBe(false)
  },
)

it('may be zero where zero switches something off', () => {
  expect(toMilliseconds(durationOrZero.parse('0s'))).toBe(0)
  expect(toMilliseconds(durationOrZero.parse('0'))).toBe(0)
})

it('reads back what was written in hours, minutes, seconds and milliseconds', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 8000 }),
      fc.nat(59),
      fc.nat(59),
      fc.integer({ min: 1, max: 999 }),
      (h, m, s, ms) => {
        const total = ((h * 60 + m) * 60 + s) * 1000 + ms
        expect(toMilliseconds(positiveDuration.parse(`${h}h${m}m${s}s${ms}ms`))).toBe(total)
        expect(toMilliseconds(positiveDuration.parse(`${total / 1000}s`))).toBe(total)
      },
    ),
  )
})

it.each([
  ['500ms', '0.5s'],
  ['1.5s', '1.5s'],
  ['1h30m', '5400s'],
  ['1ns', '0.000000001s'],
  ['0', '0s'],
  ['5', undefined],
  ['soon', undefined],
  [`${'0'.repeat(62)}5s`, '5s'],
  [`${'0'.repeat(63)}5s`, undefined],
])("%s is %s in protobuf's JSON", (text, expected) => {
  expect(toProtoDuration(text)).toBe(expected)
})
