import { CorsSchema } from '#envoy/envoy/extensions/filters/http/cors/v3/cors_pb.ts'
import { RBACSchema } from '#envoy/envoy/extensions/filters/http/rbac/v3/rbac_pb.ts'
import { buildDiscovered, toDiscovered } from './discovered-filter.ts'

export const preflightFilterName = 'atoll.client-preflight'

/**
 * Before clients are asked for keys, which browsers do not send with a preflight (Fetch §3.2.2): it is answered by the CORS policy of its route, so that it never gets to the
 * application. One that no policy answers is asked for a key.
 */
export const preflightFilter = toDiscovered(preflightFilterName, RBACSchema, CorsSchema)

/** Where clients are asked for keys. */
export const answeringPreflights = buildDiscovered(preflightFilterName, CorsSchema, {})

/** Elsewhere: preflights are like all other requests, as Istio has it. */
export const ignoringPreflights = buildDiscovered(preflightFilterName, RBACSchema, {})
