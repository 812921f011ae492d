const baseMilliseconds = 500
const capMilliseconds = 30_000

/**
 * How long to wait before the next attempt: "full jitter" between a floor and an exponentially growing ceiling, so that a whole
 * fleet does not come back at once. `attempt` counts from 0, `random` is in [0, 1).
 */
export const toBackoffMilliseconds = (attempt: number, random: number): number => {
  const ceiling = Math.min(capMilliseconds, baseMilliseconds * 2 ** Math.min(attempt, 16))
  return Math.round(baseMilliseconds / 5 + random * ceiling)
}
