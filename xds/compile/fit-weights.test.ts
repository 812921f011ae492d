import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fitWeights, toCommonDenominator } from './fit-weights.ts'

const weight = fc.integer({ min: 1, max: 1_000_000 })

test('weights keep their proportions exactly, as small as possible', () => {
  expect(fitWeights([])).toEqual([])
  expect(fitWeights([20, 40, 60])).toEqual([1, 2, 3])
  fc.assert(
    fc.property(fc.array(weight, { minLength: 1 }), (weights) => {
      const fitted = fitWeights(weights)
      const [first = 0] = weights
      const [fittedFirst = 0] = fitted
      for (const [index, fit] of fitted.entries()) expect(fit * first).toBe((weights[index] ?? 0) * fittedFirst)
    }),
  )
})

test('what does not fit into 32 bits is scaled down: nobody vanishes, and shares stay nearly the same', () => {
  const fitted = fitWeights([1, 3_000_000_001, 6_000_000_000])
  expect(fitted.every((each) => Number.isInteger(each) && each >= 1)).toBe(true)
  expect(fitted.reduce((sum, each) => sum + each)).toBeLessThanOrEqual(0xffff_ffff)
  expect((fitted[2] ?? 0) / (fitted[1] ?? 1)).toBeCloseTo(2, 6)
})

test.each([
  [[], 1],
  [[1, 2, 3], 6],
  [[4, 6], 12],
  [[64, 63, 61, 59, 57, 55, 53], 1_000_000],
])('the common denominator of %j is %i', (divisors, expected) => {
  expect(toCommonDenominator(divisors)).toBe(expected)
})
