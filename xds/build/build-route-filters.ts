import { create } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import { FaultDelaySchema } from '#envoy/envoy/extensions/filters/common/fault/v3/fault_pb.ts'
import { CorsPolicySchema, CorsSchema } from '#envoy/envoy/extensions/filters/http/cors/v3/cors_pb.ts'
import { FaultAbortSchema, HTTPFaultSchema } from '#envoy/envoy/extensions/filters/http/fault/v3/fault_pb.ts'
import type { Cors, Fault, Route } from '#xds/model/virtual-host.ts'
import { toAny } from './any.ts'
import { preflightFilterName } from './build-preflight.ts'
import { buildTextMatch } from './build-route-match.ts'
import { toDuration } from './duration.ts'
import { toFractionalPercent } from './fractional-percent.ts'

const faultName = 'envoy.filters.http.fault'
const corsName = 'envoy.filters.http.cors'

const disabledFilter = (name: string, typedConfig: Any) => ({
  name,
  disabled: true,
  configType: { case: 'typedConfig' as const, value: typedConfig },
})

/**
 * Filters that do something for the routes alone that have settings for them (`buildRouteFilters`): so a route that comes to need one
 * changes no listener, whose connections would be closed.
 */
export const routeFilters = [
  disabledFilter(faultName, toAny(HTTPFaultSchema, {})),
  disabledFilter(corsName, toAny(CorsSchema, {})),
]

/** A route's settings of the filters; undefined = it has none. */
export const buildRouteFilters = ({ fault, cors }: Route): Record<string, Any> | undefined =>
  fault || cors ? { ...(fault && { [faultName]: buildFault(fault) }), ...(cors && toCorsSettings(cors)) } : undefined

const buildFault = ({ delay, abort }: Fault): Any =>
  toAny(HTTPFaultSchema, {
    ...(delay && {
      delay: create(FaultDelaySchema, {
        faultDelaySecifier: { case: 'fixedDelay', value: toDuration(delay.durationMs) },
        percentage: toFractionalPercent(delay.share),
      }),
    }),
    ...(abort && {
      abort: create(FaultAbortSchema, {
        errorType: { case: abort.kind === 'http' ? 'httpStatus' : 'grpcStatus', value: abort.status },
        percentage: toFractionalPercent(abort.share),
      }),
    }),
  })

/** The same for the filter that answers before clients are asked for keys. */
const toCorsSettings = (cors: Cors): Record<string, Any> => {
  const settings = buildCors(cors)
  return { [corsName]: settings, [preflightFilterName]: settings }
}

const buildCors = (cors: Cors): Any =>
  toAny(CorsPolicySchema, {
    allowOriginStringMatch: cors.origins.map(buildTextMatch),
    ...(cors.methods !== undefined && { allowMethods: cors.methods }),
    ...(cors.headers !== undefined && { allowHeaders: cors.headers }),
    ...(cors.exposedHeaders !== undefined && { exposeHeaders: cors.exposedHeaders }),
    ...(cors.maxAgeSeconds !== undefined && { maxAge: String(cors.maxAgeSeconds) }),
    ...(cors.allowsCredentials !== undefined && { allowCredentials: cors.allowsCredentials }),
    forwardNotMatchingPreflights: cors.forwardsUnmatched,
  })
