/** What OTLP's exports are of; the last part of their path. */
export const signals = ['logs', 'metrics', 'traces'] as const
export type Signal = (typeof signals)[number]

/** `routine` is what matters least: it is shed first. */
export type BatchRank = 'routine' | 'notable'

/** What is sent as one, and again as the same: the plane tells batches apart by their bytes (docs/decisions/0021). */
export interface Batch {
  readonly signal: Signal
  readonly rank: BatchRank
  /** Records, spans or data points in it. */
  readonly records: number
  /** An Export…ServiceRequest of OTLP, gzipped. */
  readonly body: Buffer
  /** Called when it can't be lost any more, or is: the plane has it, it is on disk, or it was shed. */
  readonly onSettled?: () => void
}

/**
 * Why records got no farther. `malformed`: of a proxy, were none. `memory`, `spool`: there was no room. `disk`: it could not be written. `refused`,
 * `rejected`: the plane does not take the batch, or these of it. `untaken`: the plane takes no telemetry.
 */
export type ShedReason = 'malformed' | 'memory' | 'spool' | 'disk' | 'refused' | 'rejected' | 'untaken'

/** Counts of one signal since the start. */
export interface SignalCounts {
  received: number
  sent: number
  readonly shed: Record<ShedReason, number>
}

export const newCounts = (): Record<Signal, SignalCounts> => {
  const none = (): SignalCounts => ({
    received: 0,
    sent: 0,
    shed: { malformed: 0, memory: 0, spool: 0, disk: 0, refused: 0, rejected: 0, untaken: 0 },
  })
  return { logs: none(), metrics: none(), traces: none() }
}
