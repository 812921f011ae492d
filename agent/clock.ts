/** Time as the agent sees it; passed in, so that tests own it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Runs `task` once, `delayMilliseconds` from now. The returned function cancels it. */
  after(delayMilliseconds: number, task: () => void): () => void
}

/** Node runs what is to wait for longer at once. */
const maxDelayMilliseconds = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => Date.now(),
  after: (delayMilliseconds, task) => {
    const timer = setTimeout(task, Math.min(delayMilliseconds, maxDelayMilliseconds))
    return () => clearTimeout(timer)
  },
}
