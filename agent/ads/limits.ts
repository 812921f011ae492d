/** What a proxy may ask of the xDS server. Reaching a limit ends the stream with a status that names it. */
export interface AdsLimits {
  readonly streams: number
  /** More than one, because an Envoy that restarts hot runs beside its successor; the oldest gives way. */
  readonly streamsPerProxy: number
  readonly requestBytes: number
  /** Names subscribed to on one stream, over all types. */
  readonly names: number
  readonly nameLength: number
}

export const defaultLimits: AdsLimits = {
  streams: 5000,
  streamsPerProxy: 4,
  requestBytes: 4 * 1024 * 1024,
  names: 100_000,
  nameLength: 1024,
}

/** What a response aims at: big enough that few are needed, small enough that 500 of them waiting for their proxies are little memory. */
export const chunkBytes = 64 * 1024

/** Up to here a response is written at once, however many others are on their way. */
export const smallResponseBytes = 16 * 1024
/** Bigger responses that are on their way at once, over all streams. */
export const bigWrites = 16
/** When a big response that has not left does not count any more. */
export const bigWritePatienceMilliseconds = 2000
