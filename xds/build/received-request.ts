import { create } from '@bufbuild/protobuf'
import { SubstitutionFormatStringSchema } from '#envoy/envoy/config/core/v3/substitution_format_string_pb.ts'
import { ConfigSchema as SetFilterStateSchema } from '#envoy/envoy/extensions/filters/http/set_filter_state/v3/set_filter_state_pb.ts'
import { toAny } from './any.ts'

/** What of a request as it came is told when all else has written over it. */
const received = {
  /** No longer than it may be (W3C Trace Context §3.2, B3). The tracer writes over it. */
  trace: '%REQ(TRACEPARENT):55% %REQ(B3):68% %REQ(X-B3-TRACEID):32%-%REQ(X-B3-SPANID):16%-%REQ(X-B3-SAMPLED):1%',
  /** A route may rewrite it. What Envoy then keeps, x-envoy-original-path, a client could have sent itself. */
  path: '%REQ(:PATH):2048%',
} as const

const toKey = (name: string): string => `atoll.${name}`

/** Before all other filters, so that it is there also where one of them answers. */
export const receivedFilter = {
  name: 'envoy.filters.http.set_filter_state',
  configType: {
    case: 'typedConfig' as const,
    value: toAny(SetFilterStateSchema, {
      onRequestHeaders: Object.entries(received).map(([name, format]) => ({
        key: { case: 'objectKey' as const, value: toKey(name) },
        factoryKey: 'envoy.string',
        value: {
          case: 'formatString' as const,
          value: create(SubstitutionFormatStringSchema, {
            format: { case: 'textFormatSource', value: { specifier: { case: 'inlineString', value: format } } },
            omitEmptyValues: true,
          }),
        },
      })),
    }),
  },
}

const toOperator = (name: keyof typeof received): string => `%FILTER_STATE(${toKey(name)}:PLAIN)%`

/** Envoy's operators for it. */
export const receivedOperators = { trace: toOperator('trace'), path: toOperator('path') } as const
