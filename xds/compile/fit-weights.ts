/** Envoy adds weights up in 32 bits. */
const maxSum = 0xffff_ffff
/** A finer division of a weight is rounded. */
const maxDenominator = 1_000_000

/** The smallest number that all the divisors divide; the limit when it is beyond that. */
export const toCommonDenominator = (divisors: Iterable<number>): number => {
  let common = 1
  for (const divisor of divisors) common = (common / greatestCommonDivisor(common, divisor)) * divisor
  return Math.min(common, maxDenominator)
}

/**
 * Whole weights, at least 1, in the proportions of these whole numbers and as small as possible. Only when their sum would not fit
 * into 32 bits they are scaled down further, and rounded.
 */
export const fitWeights = (weights: readonly number[]): readonly number[] => {
  const divisor = weights.reduce(greatestCommonDivisor, 0)
  const reduced = weights.map((weight) => weight / divisor)
  const sum = reduced.reduce((total, weight) => total + weight, 0)
  if (sum <= maxSum) return reduced
  const factor = (maxSum - weights.length) / sum
  return reduced.map((weight) => Math.max(1, Math.floor(weight * factor)))
}

const greatestCommonDivisor = (left: number, right: number): number => {
  let [larger, smaller] = [left, right]
  while (smaller > 0) [larger, smaller] = [smaller, larger % smaller]
  return larger
}
