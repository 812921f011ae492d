import { create } from '@bufbuild/protobuf'
import {
  RedirectAction_RedirectResponseCode as RedirectCode,
  RedirectActionSchema,
  RouteAction_HashPolicySchema,
  RouteAction_RequestMirrorPolicySchema,
  RouteActionSchema,
  WeightedCluster_ClusterWeightSchema,
  type RedirectAction,
  type RouteAction as EnvoyRouteAction,
  type RouteAction_HashPolicy,
} from '#envoy/envoy/config/route/v3/route_components_pb.ts'
import type {
  Forward,
  HashPolicy,
  Mirror,
  Redirect,
  Respond,
  RouteAction,
  RouteDestination,
} from '#xds/model/virtual-host.ts'
import { buildHeaderChanges } from './build-header-changes.ts'
import { buildRetryPolicy } from './build-retry-policy.ts'
import { toDuration } from './duration.ts'
import { toFractionalPercent } from './fractional-percent.ts'
import type { MessageFields } from './message-fields.ts'

/** A route that takes CONNECT requests ends the tunnel: what is inside goes to the upstream as it is. */
export const buildRouteAction = (action: RouteAction, endsTunnel: boolean) => {
  switch (action.kind) {
    case 'forward':
      return { case: 'route' as const, value: buildForward(action, endsTunnel) }
    case 'redirect':
      return { case: 'redirect' as const, value: buildRedirect(action) }
    case 'respond':
      return { case: 'directResponse' as const, value: buildRespond(action) }
  }
}

const connectUpgrade = [{ upgradeType: 'CONNECT', connectConfig: {} }]

const buildForward = (forward: Forward, endsTunnel: boolean): EnvoyRouteAction =>
  create(RouteActionSchema, {
    ...buildDestinations(forward.destinations),
    ...buildPathRewrite(forward.pathRewrite),
    ...(forward.authority !== undefined && {
      hostRewriteSpecifier: { case: 'hostRewriteLiteral', value: forward.authority },
    }),
    timeout: toDuration(forward.timeoutMs),
    ...(forward.retries && { retryPolicy: buildRetryPolicy(forward.retries) }),
    hashPolicy: (forward.hashPolicies ?? []).map(buildHashPolicy),
    ...(forward.mirrors && { requestMirrorPolicies: forward.mirrors.map(buildMirror) }),
    ...(endsTunnel && { upgradeConfigs: connectUpgrade }),
  })

const buildDestinations = (destinations: readonly RouteDestination[]): MessageFields<typeof RouteActionSchema> => {
  const [only, ...others] = destinations
  const isBare = only && !only.requestHeaders && !only.responseHeaders && only.authority === undefined
  if (isBare && others.length === 0) return { clusterSpecifier: { case: 'cluster', value: only.upstream } }
  const clusters = destinations.map(({ upstream, weight, authority, requestHeaders, responseHeaders }) =>
    create(WeightedCluster_ClusterWeightSchema, {
      name: upstream,
      weight,
      ...(authority !== undefined && { hostRewriteSpecifier: { case: 'hostRewriteLiteral', value: authority } }),
      ...buildHeaderChanges(requestHeaders, responseHeaders),
    }),
  )
  return { clusterSpecifier: { case: 'weightedClusters', value: { clusters } } }
}

/** Istio: copies keep the host that was asked for, and the trace's decision is not theirs. */
const buildMirror = ({ upstream, share }: Mirror) =>
  create(RouteAction_RequestMirrorPolicySchema, {
    cluster: upstream,
    runtimeFraction: { defaultValue: toFractionalPercent(share) },
    traceSampled: false,
    disableShadowHostSuffixAppend: true,
  })

const buildPathRewrite = (rewrite: Forward['pathRewrite']): MessageFields<typeof RouteActionSchema> => {
  if (!rewrite) return {}
  return rewrite.kind === 'prefix'
    ? { prefixRewrite: rewrite.prefix }
    : { regexRewrite: { pattern: { regex: rewrite.pattern }, substitution: rewrite.substitution } }
}

const buildHashPolicy = (policy: HashPolicy): RouteAction_HashPolicy => {
  switch (policy.kind) {
    case 'header':
      return create(RouteAction_HashPolicySchema, {
        policySpecifier: { case: 'header', value: { headerName: policy.name } },
      })
    case 'query-parameter':
      return create(RouteAction_HashPolicySchema, {
        policySpecifier: { case: 'queryParameter', value: { name: policy.name } },
      })
    case 'source-ip':
      return create(RouteAction_HashPolicySchema, {
        policySpecifier: { case: 'connectionProperties', value: { sourceIp: true } },
      })
    case 'cookie':
      return create(RouteAction_HashPolicySchema, {
        policySpecifier: {
          case: 'cookie',
          value: {
            name: policy.name,
            ...(policy.path !== undefined && { path: policy.path }),
            ...(policy.ttlMs !== undefined && { ttl: toDuration(policy.ttlMs) }),
            ...(policy.attributes && { attributes: [...policy.attributes] }),
          },
        },
      })
  }
}

const redirectCodes: ReadonlyMap<number, RedirectCode> = new Map([
  [302, RedirectCode.FOUND],
  [303, RedirectCode.SEE_OTHER],
  [307, RedirectCode.TEMPORARY_REDIRECT],
  [308, RedirectCode.PERMANENT_REDIRECT],
])

const buildRedirect = ({ code, scheme, authority, port, path }: Redirect): RedirectAction =>
  create(RedirectActionSchema, {
    responseCode: redirectCodes.get(code) ?? RedirectCode.MOVED_PERMANENTLY,
    ...(scheme !== undefined && { schemeRewriteSpecifier: { case: 'schemeRedirect', value: scheme } }),
    ...(authority !== undefined && { hostRedirect: authority }),
    ...(port !== undefined && { portRedirect: port }),
    ...(path && {
      pathRewriteSpecifier: { case: path.kind === 'whole' ? 'pathRedirect' : 'prefixRewrite', value: path.text },
    }),
  })

const buildRespond = ({ status, body }: Respond) => ({
  status,
  ...(body !== undefined && {
    body: {
      specifier:
        typeof body === 'string'
          ? { case: 'inlineString' as const, value: body }
          : { case: 'inlineBytes' as const, value: body },
    },
  }),
})
