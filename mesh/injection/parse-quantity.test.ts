import { expect, it } from 'vitest'
import { parseQuantity, toCpuCount } from './parse-quantity.ts'

it.each<[string, number]>([
  ['2', 2],
  ['250m', 0.25],
  ['1.5', 1.5],
  ['.5', 0.5],
  ['2e1', 20],
  ['1k', 1000],
  ['1Ki', 1024],
  ['1Mi', 1024 ** 2],
  ['1E', 1e18],
])('%s is %d', (text, count) => {
  expect(parseQuantity(text).ok).toBe(true)
  expect(toCpuCount(text)).toBeCloseTo(count, 9)
})

it.each(['', '-1', '1 m', 'm', '1mi', '1.2.3', '1\n'])('%j is refused', (text) => {
  expect(parseQuantity(text).ok).toBe(false)
})
