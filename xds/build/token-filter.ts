import { JwtAuthenticationSchema } from '#envoy/envoy/extensions/filters/http/jwt_authn/v3/config_pb.ts'
import { toDiscovered } from './discovered-filter.ts'

/** Istio's name of it: what it finds in tokens is in the dynamic metadata of this name. */
export const tokenFilterName = 'envoy.filters.http.jwt_authn'

/** Looks at tokens, before it is asked who may call. */
export const tokenFilter = toDiscovered(tokenFilterName, JwtAuthenticationSchema)
