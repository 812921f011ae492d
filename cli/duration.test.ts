import { describe, expect, it } from 'vitest'
import { parseDurationSeconds, toRoughDuration } from './duration.ts'

describe('durations', () => {
  it.each([
    ['90s', 90],
    ['5m', 300],
    ['2h', 7200],
    ['30d', 2_592_000],
  ])('%s is %d seconds', (text, seconds) => expect(parseDurationSeconds(text)).toBe(seconds))

  it.each(['', '5', 'm', '1.5h', '-1s', '5 m', '9999999999s', '1w'])('%j is none', (text) =>
    expect(() => parseDurationSeconds(text)).toThrow(/reads like/),
  )

  it.each([
    [0, '0s'],
    [119_000, '119s'],
    [120_000, '2m'],
    [-7_200_000, '2h'],
    [172_800_000, '2d'],
  ])('%d ms are about %s', (milliseconds, text) => expect(toRoughDuration(milliseconds)).toBe(text))
})
