import type { KnownFields } from '#mesh/telemetry/to-access-log-record.ts'

/** 2^62 nanoseconds since the epoch are in the year 2116. A time below it and a duration below it fit a signed number of 64 bits together, which is what most backends count in. */
const tooMany = 2 ** 62
/** The year 2001: what is before it, or has no time at all, comes of a clock that was never set. */
const tooFew = 1e18

/** Whether a record can have been then (`time_unix_nano`, eight bytes), and have taken so long. */
export const isPlausible = (time: Uint8Array, { duration_us: duration }: KnownFields): boolean => {
  const view = new DataView(time.buffer, time.byteOffset, 8)
  const nanoseconds = view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true)
  return nanoseconds >= tooFew && nanoseconds < tooMany && Number(duration ?? 0) * 1000 < tooMany
}
