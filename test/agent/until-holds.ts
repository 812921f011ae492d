import { vi } from 'vitest'

/** Waits until a check no longer throws; the deadline is generous, because the machine may be busy. */
export const untilHolds = <T>(check: () => T | Promise<T>): Promise<T> =>
  vi.waitFor(check, { timeout: 15_000, interval: 5 })
