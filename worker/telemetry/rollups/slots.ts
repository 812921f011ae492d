/** The times of rollups. Agents tell what they counted in 10 s; that is kept for a day as it is, and for a month by the minute. */

export const FINE_MS = 10_000
export const COARSE_MS = 60_000
export const HOUR_MS = 3_600_000
/** A day, and what a query that is about a day reads before it. */
export const FINE_KEPT_MS = 26 * HOUR_MS
export const KEPT_MS = 31 * 24 * HOUR_MS

/** The slot of what was counted until this time. */
export const toSlot = (untilMs: number, stepMs: number): number => Math.ceil(untilMs / stepMs)

/** From slots of one step to those of another, which is a multiple of it. */
export const toCoarser = (fromStepMs: number, toStepMs: number): ((slot: number) => number) => {
  const factor = toStepMs / fromStepMs
  return (slot) => Math.ceil(slot / factor)
}

/** The hour since the epoch that a slot lies in: hour 1 is ]1:00, 2:00]. */
export const toHour = (slot: number, stepMs: number): number => Math.ceil((slot * stepMs) / HOUR_MS) - 1
