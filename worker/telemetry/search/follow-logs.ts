import type { SSEStreamingApi } from 'hono/streaming'
import type { ClusterName } from '#mesh/names.ts'
import type { ClusterTelemetry } from '../telemetry-store.ts'
import { askClusters, askInTime, noteNoAnswer, toAnswerSize } from './ask-clusters.ts'
import type { Condition } from './conditions.ts'
import { toAccessLog } from './show-record.ts'
import { toTailCursor } from './tail-cursor.ts'
import type { TailPlaces } from './tail-cursor.ts'
import type { Tailed } from './tail.ts'

/** What one tail may take; when that is spent it ends, and the client comes again with the place where it was. */
export interface TailLimits {
  /** Requests to stores. Cloudflare lets a request make 1,000 to others, of which some are made before, and some to ask whether it may go on. */
  readonly asks: number
  /** After so long the client comes again, and is authenticated again. */
  readonly ms: number
  /** How long a store waits for records before it answers that there are none. */
  readonly waitMs: number
  /** From an answer to the next ask of the same store, where few are followed. */
  readonly pauseMs: number
  /** … and between asks of all stores: so a tail over many of them lasts for a while too. */
  readonly spacingMs: number
  /** Where it is, it says so often also when nothing comes: nobody on the way takes the stream for dead. And its reader is asked for. */
  readonly placeMs: number
}

const defaultLimits: TailLimits = {
  asks: 800,
  ms: 15 * 60_000,
  waitMs: 15_000,
  pauseMs: 1_000,
  spacingMs: 50,
  placeMs: 15_000,
}

/** What a store may take beyond the time that it was told to wait. */
const ANSWER_MS = 10_000
/** One that failed is left alone for so many pauses. */
const PAUSES_AFTER_FAILURE = 5

/** Who reads a tail. */
type Reader = Pick<SSEStreamingApi, 'writeSSE' | 'onAbort'> & {
  /** Whether what was allowed when it began still is. */
  readonly mayGoOn: () => Promise<boolean>
}

/** Until it is stopped, or so long. */
interface Stop {
  readonly isStopped: () => boolean
  readonly stop: () => void
  readonly orStopped: <T>(promise: Promise<T>) => Promise<T | undefined>
  readonly sleep: (ms: number) => Promise<void>
}

const createStop = (): Stop => {
  const controller = new AbortController()
  const { signal } = controller
  // A promise that is raced again and again would keep what each race was won with.
  const orStopped = async <T>(promise: Promise<T>): Promise<T | undefined> => {
    if (signal.aborted) return undefined
    let leave = (): void => undefined
    const stopped = new Promise<undefined>((resolve) => (leave = () => resolve(undefined)))
    signal.addEventListener('abort', leave)
    try {
      return await Promise.race([promise, stopped])
    } finally {
      signal.removeEventListener('abort', leave)
    }
  }
  return {
    isStopped: () => signal.aborted,
    stop: () => controller.abort(),
    orStopped,
    sleep: async (ms) => {
      let timer: ReturnType<typeof setTimeout> | undefined
      await orStopped(new Promise<void>((resolve) => (timer = setTimeout(resolve, ms))))
      clearTimeout(timer ?? null)
    },
  }
}

/**
 * Writes what comes in after `from`, or from now on, until nobody reads it, its reader may not any more, or the limits are reached. A reader that is slow is told what it
 * has missed.
 */
export const followLogs = async (
  open: (cluster: ClusterName) => Pick<ClusterTelemetry, 'follow'>,
  clusters: readonly ClusterName[],
  conditions: readonly Condition[],
  from: TailPlaces,
  stream: Reader,
  limits: TailLimits = defaultLimits,
): Promise<void> => {
  const { isStopped, stop, orStopped, sleep } = createStop()
  stream.onAbort(stop)
  const places = new Map<ClusterName, number>()
  for (const cluster of clusters) {
    const at = from.get(cluster)
    if (at !== undefined) places.set(cluster, at)
  }
  const missing = new Set<ClusterName>()
  const pauseMs = Math.max(limits.pauseMs, clusters.length * limits.spacingMs)
  let asksLeft = limits.asks

  const ask = (cluster: ClusterName, waitMs: number): Promise<Tailed> => {
    asksLeft -= 1
    const size = toAnswerSize(clusters.length)
    return open(cluster).follow({ signal: 'logs', conditions, afterChunk: places.get(cluster) ?? null, waitMs, size })
  }
  const miss = async (cluster: ClusterName): Promise<void> => {
    if (missing.has(cluster)) return
    missing.add(cluster)
    await stream.writeSSE({ event: 'unavailable', data: JSON.stringify({ cluster }) })
  }
  let lastTurn = Promise.resolve()
  /** One after the other: a place is told after all that is before it, and never between records that are not. */
  const inTurn = (write: () => Promise<void>): Promise<void> => {
    const turn = lastTurn.then(write)
    lastTurn = turn.catch(() => undefined)
    return turn
  }
  const writeAnswer = async (cluster: ClusterName, { records, skipped, lastChunk }: Tailed): Promise<void> => {
    if (skipped > 0) await stream.writeSSE({ event: 'skipped', data: JSON.stringify({ cluster, records: skipped }) })
    for (const record of records) await stream.writeSSE({ event: 'record', data: JSON.stringify(toAccessLog(record)) })
    places.set(cluster, lastChunk)
    if (skipped > 0 || records.length > 0) await writePlace('place')
  }
  const writePlace = (event: 'place' | 'end'): Promise<void> =>
    stream.writeSSE({ event, data: JSON.stringify({ cursor: toTailCursor(places) }) })
  const tell = (cluster: ClusterName, answer: Tailed): Promise<void> => {
    missing.delete(cluster)
    return inTurn(() => writeAnswer(cluster, answer))
  }
  const tellPlace = (event: 'place' | 'end'): Promise<void> => inTurn(() => writePlace(event))
  const follow = async (cluster: ClusterName): Promise<void> => {
    while (!isStopped()) {
      if (asksLeft <= 0) return stop()
      const answer = await orStopped(
        askInTime(() => ask(cluster, limits.waitMs), limits.waitMs + ANSWER_MS).catch((error: unknown) =>
          noteNoAnswer(cluster, error),
        ),
      )
      if (answer) await tell(cluster, answer)
      else if (!isStopped()) await miss(cluster)
      await sleep(answer ? pauseMs : pauseMs * PAUSES_AFTER_FAILURE)
    }
  }
  const keepTelling = async (): Promise<void> => {
    while (!isStopped()) {
      await tellPlace('place')
      await sleep(limits.placeMs)
      // Who comes again is told why not.
      if (!(await stream.mayGoOn().catch(() => false))) stop()
    }
  }

  const started = await askClusters(
    clusters.filter((cluster) => !places.has(cluster)),
    (cluster) => ask(cluster, 0),
  )
  for (const { cluster } of started.unavailable) await miss(cluster)
  for (const { cluster, answer } of started.answers) await tell(cluster, answer)
  const timer = setTimeout(stop, limits.ms)
  await Promise.all([keepTelling(), ...clusters.map(follow)])
  clearTimeout(timer)
  await tellPlace('end')
}
