import { buildStateFilter } from './build-state-filter.ts'

/** What of a request as it came is told when all else has written over it. */
const received = {
  /** No longer than it may be (W3C Trace Context §3.2, B3). The tracer writes over it. */
  trace: '%REQ(TRACEPARENT):55% %REQ(B3):68% %REQ(X-B3-TRACEID):32%-%REQ(X-B3-SPANID):16%-%REQ(X-B3-SAMPLED):1%',
  /** A route may rewrite it. What Envoy then keeps, x-envoy-original-path, a client could have sent itself. */
  path: '%REQ(:PATH):2048%',
} as const

const toKey = (name: string): string => `atoll.${name}`

/** Before all other filters, so that it is there also where one of them answers. */
export const receivedFilter = buildStateFilter(
  'envoy.filters.http.set_filter_state',
  Object.fromEntries(Object.entries(received).map(([name, format]) => [toKey(name), format])),
)

const toOperator = (name: keyof typeof received): string => `%FILTER_STATE(${toKey(name)}:PLAIN)%`

/** Envoy's operators for it. */
export const receivedOperators = { trace: toOperator('trace'), path: toOperator('path') } as const
