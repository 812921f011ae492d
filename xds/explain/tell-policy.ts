import type { Any } from '@bufbuild/protobuf/wkt'
import type { FilterChain } from '#envoy/envoy/config/listener/v3/listener_components_pb.ts'
import type { Listener } from '#envoy/envoy/config/listener/v3/listener_pb.ts'
import { VirtualHost_TlsRequirementType as TlsRequirement } from '#envoy/envoy/config/route/v3/route_components_pb.ts'
import { RBAC_Action as Action } from '#envoy/envoy/config/rbac/v3/rbac_pb.ts'
import { JwtAuthenticationSchema } from '#envoy/envoy/extensions/filters/http/jwt_authn/v3/config_pb.ts'
import { LocalRateLimitSchema } from '#envoy/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit_pb.ts'
import { RateLimitSchema } from '#envoy/envoy/extensions/filters/http/ratelimit/v3/rate_limit_pb.ts'
import { RBACSchema } from '#envoy/envoy/extensions/filters/http/rbac/v3/rbac_pb.ts'
import { RBACSchema as NetworkRbacSchema } from '#envoy/envoy/extensions/filters/network/rbac/v3/rbac_pb.ts'
import { isHarmlessFilter, toFilterName } from '#xds/patch/guards-access.ts'
import type { Limit, Step } from './explanation.ts'
import type { Handler } from './find-handler.ts'
import { unpack } from './served.ts'

/** Those of the compiler's own that turn nobody away who asks for an application. */
const own: readonly string[] = [
  'cors',
  'credential_injector',
  'dynamic_forward_proxy',
  'health_check',
  'http_inspector',
  'original_dst',
  'proxy_protocol',
  'set_filter_state',
  'sni_cluster',
  'sni_dynamic_forward_proxy',
  'tls_inspector',
]

interface Filter {
  readonly name: string
  readonly configType: { readonly case: string | undefined; readonly value?: unknown }
}

/** The filters on a call's way through a proxy that may turn it away, as people know them: by their types, whatever they are named. */
export const findGuards = (
  { listenerFilters }: Pick<Listener, 'listenerFilters'>,
  { filters }: FilterChain,
  handler: Handler,
): readonly string[] => {
  // The gate before the EnvoyCluster that the SNI names lets in whoever asks for a service: whether there is one is looked at.
  const gate =
    handler.kind === 'sni'
      ? filters.findIndex((each, index) => isA(each, 'rbac') && isA(filters[index + 1], 'sni_cluster'))
      : -1
  const all: readonly Filter[] = [
    ...listenerFilters,
    ...filters.filter((_, index) => index !== gate),
    ...(handler.kind === 'http' ? handler.filters : []),
  ]
  return all.flatMap((filter) => {
    const type = readType(filter)
    if (type !== undefined && (isHarmlessFilter(type) || own.includes(type) || hasNoRules(filter))) return []
    return type === undefined || filter.name.endsWith(`.${type}`) ? [filter.name] : [`${filter.name} (${type})`]
  })
}

/** The virtual hosts of a called proxy that answer some requests themselves: the compiler's pass on all of them, so somebody has patched these. */
export const findAnswering = (handler: Handler): readonly string[] =>
  (handler.kind === 'http' ? handler.virtualHosts : [])
    .filter(
      ({ requireTls, routes }) =>
        requireTls !== TlsRequirement.NONE || routes.some(({ action }) => action.case !== 'route'),
    )
    .map(({ name }) => `virtual host ${name}`)

/** As long as there is no policy, or one that tells and keeps nobody out, and no limit. */
const hasNoRules = ({ configType }: Filter): boolean => {
  const any = configType.case === 'typedConfig' ? (configType.value as Any) : undefined
  const http = unpack(any, RBACSchema)
  if (http && !http.rules && !http.matcher) return true
  const limits = unpack(any, LocalRateLimitSchema)
  if (limits && !limits.filterEnabled) return true
  if (unpack(any, RateLimitSchema)?.rateLimits.length === 0) return true
  const rbac = http ?? unpack(any, NetworkRbacSchema)
  if (unpack(any, JwtAuthenticationSchema)?.rules.length === 0) return true
  return rbac?.rules?.action === Action.LOG && !rbac.matcher
}

const isA = (filter: Filter | undefined, type: string): boolean => filter !== undefined && readType(filter) === type

const readType = ({ configType }: Filter): string | undefined =>
  configType.case === 'typedConfig' ? toFilterName((configType.value as Any).typeUrl) : undefined

/** What is not known as long as these filters are not looked into; undefined = there are none. */
export const toAccessLimit = (guards: readonly string[], proxy: string): Limit | undefined =>
  guards.length === 0
    ? undefined
    : {
        code: 'access-not-known',
        text: `${guards.join(', ')} of ${proxy} may turn it away, and is not looked into`,
        fix: 'Read what it says: "atoll proxy config" shows it as the proxy is served it.',
      }

/** What policies say of a call that got as far as a workload. */
export const tellPolicy = (limit: Limit | undefined, proxy: string): Step => ({
  stage: 'policy',
  proxy,
  text: limit?.text ?? 'No policy is for it: whoever gets here is let in',
})
