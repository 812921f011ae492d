import type { Place, Retention } from './place.ts'
import type { Extent } from './records/describe-columns.ts'
import type { RecordSignal } from './records/signal-fields.ts'
import type { FoundRecords, RecordQuery } from './search/record-query.ts'
import type { Tailed, TailQuery } from './search/tail.ts'
import type { RollupAnswer, RollupQuery } from './rollups/read-rollups.ts'
import type { MetricsBatch } from './rollups/rollup-rows.ts'
import type { StoredSums } from './rollups/totals.ts'

/** By whose leave something is sent: for this place, known to be in the mesh at that moment. */
export interface Leave {
  readonly place: Place
  readonly retention: Retention
  /** Milliseconds since the epoch. */
  readonly asOfMs: number
}

/**
 * `known`: a batch of these bytes is stored already. `ended`: the cluster was evicted since. `full`: what waits for the archive is too much; it may be
 * sent again later.
 */
export type Taken = 'stored' | 'known' | 'ended' | 'full'

/** Records that are stored in one row: a whole batch, or a part of one that is too large for that. */
export interface Chunk {
  readonly extent: Extent
  readonly bloom: Uint8Array<ArrayBuffer>
  /** Of what is in `body`, unpacked: see measureColumns. */
  readonly unpacked: number
  /** worker/telemetry/records/pack-columns.ts */
  readonly body: Uint8Array<ArrayBuffer>
}

export interface Batch {
  readonly signal: RecordSignal
  readonly sha256: string
  readonly chunks: readonly Chunk[]
}

/** One cluster's telemetry. Nobody outside this folder knows what is behind it. */
export interface ClusterTelemetry {
  /** Stores a batch whole, once, or not at all. */
  takeBatch(leave: Leave, batch: Batch): Promise<Taken>
  search(query: RecordQuery): Promise<FoundRecords>
  /** What has come in since a place, as soon as there is something, or when it has been waited for long enough. */
  follow(query: TailQuery): Promise<Tailed>

  /** What is kept for how long is something else from now on. */
  keep(leave: Leave): Promise<void>
  /** The cluster is out of the mesh: all that there is of it is deleted, and nothing that was allowed before is taken any more. */
  end(place: Place, atMs: number): Promise<void>

  takeMetrics(leave: Leave, batch: MetricsBatch): Promise<Taken>
  /** What was counted in a time. */
  readRollups(cluster: string, query: RollupQuery): Promise<RollupAnswer>
  /** What was counted since the beginning. */
  readSums(): Promise<StoredSums>
}

export const openTelemetryStore = (env: Cloudflare.Env, { meshId, cluster }: Place): ClusterTelemetry =>
  env.TELEMETRY_STORE.get(env.TELEMETRY_STORE.idFromName(`${meshId}/${cluster}`))
