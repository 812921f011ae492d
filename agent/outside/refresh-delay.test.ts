import { expect, test } from 'vitest'
import { toRefreshMilliseconds, toRetryMilliseconds } from './refresh-delay.ts'

test.each([
  [undefined, 20],
  [0, 20],
  [60, 5],
  [600, 10],
  [86_400, 20],
])('asks again for what holds for %s seconds after %d minutes, or a little sooner', (maxAge, minutes) => {
  expect(toRefreshMilliseconds(maxAge, 0.999999)).toBe(minutes * 60_000)
  expect(toRefreshMilliseconds(maxAge, 0)).toBe(minutes * 54_000)
})

test('tries again soon, and then less and less often', () => {
  expect([1, 2, 3, 4].map((failures) => toRetryMilliseconds(failures, 0))).toEqual([500, 1000, 2000, 4000])
  expect(toRetryMilliseconds(1000, 0.999999)).toBe(300_000)
})
