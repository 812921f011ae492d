import type { Any } from '@bufbuild/protobuf/wkt'
import type { FilterChain } from '#envoy/envoy/config/listener/v3/listener_components_pb.ts'
import type { Listener } from '#envoy/envoy/config/listener/v3/listener_pb.ts'
import {
  JwtAuthenticationSchema,
  type JwtAuthentication,
} from '#envoy/envoy/extensions/filters/http/jwt_authn/v3/config_pb.ts'
import { LocalRateLimitSchema } from '#envoy/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit_pb.ts'
import { RateLimitSchema } from '#envoy/envoy/extensions/filters/http/ratelimit/v3/rate_limit_pb.ts'
import { RBACSchema, type RBAC } from '#envoy/envoy/extensions/filters/http/rbac/v3/rbac_pb.ts'
import {
  RBACSchema as NetworkRbacSchema,
  type RBAC as NetworkRbac,
} from '#envoy/envoy/extensions/filters/network/rbac/v3/rbac_pb.ts'
import { VirtualHost_TlsRequirementType as TlsRequirement } from '#envoy/envoy/config/route/v3/route_components_pb.ts'
import { ExtAuthzSchema } from '#envoy/envoy/extensions/filters/http/ext_authz/v3/ext_authz_pb.ts'
import { ExtAuthzSchema as NetworkExtAuthzSchema } from '#envoy/envoy/extensions/filters/network/ext_authz/v3/ext_authz_pb.ts'
import { markPrefix } from '#xds/build/build-authorizer.ts'
import { tokenFilterName } from '#xds/build/token-filter.ts'
import type { AccessJudge } from '#xds/judge/judge-access.ts'
import { isHarmlessFilter, toFilterName } from '#xds/patch/guards-access.ts'
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

/** What is on a call's way through a proxy that may turn it away. */
export interface Guards {
  /** The filters that say who may call, in their order. */
  readonly judges: readonly AccessJudge[]
  /** The filter of tokens. */
  readonly tokens: JwtAuthentication | undefined
  /** What may turn it away for how many others there are. */
  readonly limits: readonly string[]
  /** What is not looked into, as people know it: by its type, whatever it is named. */
  readonly others: readonly string[]
}

export const findGuards = (
  { listenerFilters }: Pick<Listener, 'listenerFilters'>,
  { filters }: FilterChain,
  handler: Handler,
): Guards => {
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
  return readGuards(all)
}

const readGuards = (all: readonly Filter[]): Guards => {
  // Whom the first of its filters marks the second asks about, or turns away.
  const asks = all.some((filter) => isA(filter, 'ext_authz') && isOfMarks(toConfig(filter)))
  const judges: AccessJudge[] = []
  const limits: string[] = []
  const others: string[] = []
  let tokens: JwtAuthentication | undefined
  for (const filter of all) {
    const config = toConfig(filter)
    const rbac = unpack(config, RBACSchema) ?? unpack(config, NetworkRbacSchema)
    const checks = filter.name === tokenFilterName && !tokens ? unpack(config, JwtAuthenticationSchema) : undefined
    const type = readType(filter)
    if (rbac?.shadowRulesStatPrefix === markPrefix) judges.push({ asking: asks ? rbac.shadowRules : undefined })
    else if (rbac) judges.push(toJudge(rbac))
    else if (type === 'ext_authz' && isOfMarks(config)) continue
    else if (checks) tokens = checks
    else if (type === 'local_ratelimit' || type === 'ratelimit')
      limits.push(...(hasNoRules(config) ? [] : [toShown(filter, type)]))
    else if (type === undefined || !(isHarmlessFilter(type) || own.includes(type) || hasNoRules(config)))
      others.push(toShown(filter, type))
  }
  return { judges, tokens, limits, others }
}

/** Whether it asks about those alone whom the filter before it has marked. */
const isOfMarks = (config: Any | undefined): boolean => {
  const asking = unpack(config, ExtAuthzSchema) ?? unpack(config, NetworkExtAuthzSchema)
  return asking?.filterEnabledMetadata?.path[0]?.segment.value?.startsWith(markPrefix) ?? false
}

const toShown = ({ name }: Filter, type: string | undefined): string =>
  type === undefined || name.endsWith(`.${type}`) ? name : `${name} (${type})`

const toJudge = ({ rules, matcher, shadowRules, shadowMatcher }: RBAC | NetworkRbac): AccessJudge => ({
  rules: matcher ? unread : rules,
  trial: shadowMatcher ? unread : shadowRules,
})

/** Rules in a form that is not looked into. */
const unread = { action: 0, policies: {}, matcher: true } as const

/** The virtual hosts of a called proxy that answer some requests themselves: the compiler's pass on all of them, so somebody has patched these. */
export const findAnswering = (handler: Handler): readonly string[] =>
  (handler.kind === 'http' ? handler.virtualHosts : [])
    .filter(
      ({ requireTls, routes }) =>
        requireTls !== TlsRequirement.NONE || routes.some(({ action }) => action.case !== 'route'),
    )
    .map(({ name }) => `virtual host ${name}`)

/** As long as nothing is asked. */
const hasNoRules = (config: Any | undefined): boolean => {
  const limits = unpack(config, LocalRateLimitSchema)
  if (limits && !limits.filterEnabled) return true
  if (unpack(config, RateLimitSchema)?.rateLimits.length === 0) return true
  return unpack(config, JwtAuthenticationSchema)?.rules.length === 0
}

const isA = (filter: Filter | undefined, type: string): boolean => filter !== undefined && readType(filter) === type

const readType = (filter: Filter): string | undefined => {
  const config = toConfig(filter)
  return config && toFilterName(config.typeUrl)
}

const toConfig = ({ configType }: Filter): Any | undefined =>
  configType.case === 'typedConfig' ? (configType.value as Any) : undefined
