import type { Labels } from '../../promql/labels.ts'
import { toQuantile } from '../../promql/histogram-quantile.ts'
import type { RollupSeries } from './block.ts'

/** Requests, errors and duration, added up of the rollups of Istio's standard metrics. */
export interface Tally {
  requests: number
  errors: number
  /** Requests by class of status. */
  readonly codes: Map<string, number>
  /** Observations by the upper bound of their bucket, in milliseconds. */
  readonly durations: Map<number, number>
  opened: number
  sentBytes: number
  receivedBytes: number
  /** By slot. */
  readonly slots: Map<number, { requests: number; errors: number }>
}

export const createTally = (): Tally => ({
  requests: 0,
  errors: 0,
  codes: new Map(),
  durations: new Map(),
  opened: 0,
  sentBytes: 0,
  receivedBytes: 0,
  slots: new Map(),
})

/** What is tallied, as a selector names it. */
export const talliedNames =
  'istio_requests_total|istio_request_duration_milliseconds_bucket|istio_tcp_(connections_opened|sent_bytes|received_bytes)_total'

const addTo = <Key>(counts: Map<Key, number>, key: Key, more: number): void => {
  counts.set(key, (counts.get(key) ?? 0) + more)
}

const toClass = (code: string, grpcStatus: string): string => {
  if (grpcStatus !== '' && grpcStatus !== '0') return `grpc-${grpcStatus}`
  return /^[1-9]\d\d$/.test(code) ? `${code[0]}xx` : 'none'
}

const isError = (code: string, grpcStatus: string): boolean =>
  (grpcStatus !== '' && grpcStatus !== '0') || code === '0' || Number(code) >= 500

const addRequests = (tally: Tally, points: RollupSeries['points'], labels: Labels): void => {
  const [code, grpcStatus] = [labels.get('response_code') ?? '', labels.get('grpc_response_status') ?? '']
  const hasFailed = isError(code, grpcStatus)
  for (const [slot, [count = 0]] of points) {
    tally.requests += count
    if (hasFailed) tally.errors += count
    addTo(tally.codes, toClass(code, grpcStatus), count)
    const { requests, errors } = tally.slots.get(slot) ?? { requests: 0, errors: 0 }
    tally.slots.set(slot, { requests: requests + count, errors: errors + (hasFailed ? count : 0) })
  }
}

export const addToTally = (tally: Tally, { name, bounds, points }: RollupSeries, labels: Labels): void => {
  if (bounds) {
    for (const point of points.values()) {
      for (let index = 0; index <= bounds.length; index++)
        addTo(tally.durations, bounds[index] ?? Infinity, point[index + 1] ?? 0)
    }
    return
  }
  if (name === 'istio_requests_total') {
    addRequests(tally, points, labels)
    return
  }
  const sum = [...points.values()].reduce((total, [value = 0]) => total + value, 0)
  if (name === 'istio_tcp_connections_opened_total') tally.opened += sum
  else if (name === 'istio_tcp_sent_bytes_total') tally.sentBytes += sum
  else if (name === 'istio_tcp_received_bytes_total') tally.receivedBytes += sum
}

/** As the API shows it, over so many seconds. */
export const showTally = (tally: Tally, seconds: number) => {
  let count = 0
  const buckets = [...tally.durations]
    .sort(([a], [b]) => a - b)
    .map(([upper, more]) => ({ upper, count: (count += more) }))
  const quantile = (share: number) => (count === 0 ? null : toQuantile(share, buckets))
  return {
    requestRate: tally.requests / seconds,
    errorRate: tally.errors / seconds,
    errorRatio: tally.requests === 0 ? null : tally.errors / tally.requests,
    p50: quantile(0.5),
    p90: quantile(0.9),
    p99: quantile(0.99),
    codes: Object.fromEntries([...tally.codes].sort(([a], [b]) => (a < b ? -1 : 1))),
    tcp: {
      openedRate: tally.opened / seconds,
      sentByteRate: tally.sentBytes / seconds,
      receivedByteRate: tally.receivedBytes / seconds,
    },
  }
}
