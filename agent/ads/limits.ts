import type { CallLimits } from './call-places.ts'

/** What a proxy may ask of the xDS server. Reaching a limit ends the stream with a status that names it. */
export interface AdsLimits {
  readonly streams: number
  /** More than one, because an Envoy that restarts hot runs beside its successor; the oldest gives way. */
  readonly streamsPerProxy: number
  readonly requestBytes: number
  /** Names subscribed to on one stream, over all types. */
  readonly names: number
  readonly nameLength: number
  /** What proxies tell beside xDS, while it is found out who they are. */
  readonly calls: CallLimits
  /** … and what they ask of each request that they have. */
  readonly quickCalls: CallLimits
}

export const defaultLimits: AdsLimits = {
  streams: 5000,
  streamsPerProxy: 4,
  requestBytes: 4 * 1024 * 1024,
  names: 100_000,
  nameLength: 1024,
  calls: { callsOfOne: 32, bytes: 64 * 1024 * 1024 },
  quickCalls: { callsOfOne: 2000, bytes: 16 * 1024 * 1024 },
}

/** What a response aims at: big enough that few are needed, small enough that 500 of them waiting for their proxies are little memory. */
export const chunkBytes = 64 * 1024

/** Up to here a response is written at once, however many others are on their way. */
export const smallResponseBytes = 16 * 1024
/** Bigger responses that are on their way at once, over all streams. */
export const bigWrites = 16
/** One that is larger counts as several: the modules of plugins are. */
export const bigWriteBytes = 1024 * 1024
/** When a big response that has not left does not count any more. */
export const bigWritePatienceMilliseconds = 2000

/**
 * How long an Envoy cluster outlives the last route to it. A listener that was changed or removed drains: until its connections are
 * closed, new requests on them are routed as they were, and without the cluster answered 503 (NC). So it stays for Envoy's drain time,
 * `--drain-time-s 10` as documented, and a margin. That holds for any cluster, as a stream cannot tell which of them only a route
 * configuration let go of: those would not need it, for that is replaced at once, and requests in flight survive a removal. Inbound
 * clusters whose name stays when the port changes would not do: a port that goes altogether drains too.
 */
export const lingerMilliseconds = 15_000
/** Names of one type that linger on a stream; with more, those that have lingered longest go at once. */
export const maxLingering = 1000
