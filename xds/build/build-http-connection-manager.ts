import { create } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import { HealthCheckSchema } from '#envoy/envoy/extensions/filters/http/health_check/v3/health_check_pb.ts'
import { RouterSchema } from '#envoy/envoy/extensions/filters/http/router/v3/router_pb.ts'
import {
  HttpConnectionManager_ForwardClientCertDetails as ForwardClientCertDetails,
  HttpConnectionManager_PathWithEscapedSlashesAction as PathWithEscapedSlashesAction,
  HttpConnectionManager_ServerHeaderTransformation as ServerHeaderTransformation,
  HttpConnectionManagerSchema,
  LocalReplyConfigSchema,
} from '#envoy/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts'
import type { ListenerDefaults } from '#xds/model/listener-defaults.ts'
import type { HealthPath, HttpHandler } from '#xds/model/listener.ts'
import { accessFilters, delegationFilters } from './access-filters.ts'
import { toAny } from './any.ts'
import { admissionFilter } from './build-admission.ts'
import { admittedFilter, attemptsFilter } from './build-client-attempts.ts'
import { preflightFilter } from './build-preflight.ts'
import { buildHttpLogs, toCounted } from './build-logs.ts'
import { buildInlineRouteConfiguration } from './build-route-configuration.ts'
import { extensionFilter } from './build-extension.ts'
import { meshLimitFilters } from './build-mesh-limits.ts'
import { requestLimitFilter } from './build-request-limits.ts'
import { tokenFilter } from './token-filter.ts'
import { routeFilters } from './build-route-filters.ts'
import { buildTracing } from './build-tracing.ts'
import { receivedFilter } from './received-request.ts'
import { adsSource } from './config-source.ts'
import { toDuration } from './duration.ts'
import { forwardProxyFilter } from './forward-proxy.ts'
import { buildGrpcStats } from './grpc-stats.ts'
import { pluginFilters } from './build-wasm-plugin.ts'
import type { Reporter } from './peer-operators.ts'
import type { MessageFields } from './message-fields.ts'
import { undeliveredHeader } from './undelivered-header.ts'

const router = {
  name: 'envoy.filters.http.router',
  configType: { case: 'typedConfig' as const, value: toAny(RouterSchema, {}) },
}
const forwardProxy = {
  name: forwardProxyFilter.name,
  configType: { case: 'typedConfig' as const, value: forwardProxyFilter.typedConfig },
}

/** UF: no connection to the application came about. Envoy's documentation: access log, response flags. */
const undeliveredReplies = create(LocalReplyConfigSchema, {
  mappers: [
    {
      filter: { filterSpecifier: { case: 'responseFlagFilter', value: { flags: ['UF'] } } },
      headersToAdd: [{ header: { key: undeliveredHeader, value: '1' } }],
    },
  ],
})

/**
 * HTTP as Istio's sidecars handle it: paths are normalised (RFC 3986 §6.2.2; Istio MeshConfig pathNormalization BASE), request
 * IDs are made, the server's name is left as the application gave it, streams may idle for ever, x-envoy-* headers of untrusted
 * clients have no effect.
 */
export const buildHttpConnectionManager = (handler: HttpHandler, defaults: ListenerDefaults, reporter: Reporter): Any =>
  toAny(HttpConnectionManagerSchema, {
    statPrefix: handler.statPrefix,
    ...buildRoutes(handler.routes),
    ...buildClientCertificateDetails(handler.clientCertificate),
    ...buildTracing(defaults.tracing),
    httpFilters: [
      ...(defaults.tracing || defaults.records ? [receivedFilter] : []),
      ...(handler.healthPaths ?? []).map(buildHealthPath),
      ...buildGrpcStats(toCounted(defaults, reporter)),
      ...(handler.isGuarded
        ? [
            ...(handler.routes.kind === 'rds' ? [preflightFilter] : []),
            attemptsFilter,
            admissionFilter,
            admittedFilter,
            ...delegationFilters,
            ...pluginFilters(defaults.plugins, 'authn'),
            tokenFilter,
            ...pluginFilters(defaults.plugins, 'authz'),
            ...accessFilters,
            requestLimitFilter,
            ...meshLimitFilters,
            ...pluginFilters(defaults.plugins, 'stats'),
            extensionFilter,
          ]
        : [
            ...pluginFilters(defaults.plugins, 'authn'),
            ...pluginFilters(defaults.plugins, 'authz'),
            ...pluginFilters(defaults.plugins, 'stats'),
          ]),
      ...pluginFilters(defaults.plugins, 'last'),
      ...(handler.routes.kind === 'rds' ? routeFilters : []),
      ...(handler.isForwardProxy ? [forwardProxy] : []),
      router,
    ],
    ...(handler.tellsUndelivered && { localReplyConfig: undeliveredReplies }),
    upgradeConfigs: handler.upgrades.map((upgradeType) => ({ upgradeType })),
    ...buildPaths(defaults.paths),
    accessLog: buildHttpLogs(defaults, reporter),
    useRemoteAddress: handler.edge !== undefined,
    ...(handler.edge?.trustedProxies && { xffNumTrustedHops: handler.edge.trustedProxies }),
    streamIdleTimeout: toDuration(0),
    serverHeaderTransformation: ServerHeaderTransformation.PASS_THROUGH,
  })

/** Istio reference: ProxyPathNormalization. Envoy: HttpConnectionManager.merge_slashes, path_with_escaped_slashes_action. */
const buildPaths = (paths: ListenerDefaults['paths']): MessageFields<typeof HttpConnectionManagerSchema> => ({
  normalizePath: paths !== 'as-sent',
  ...((paths === 'merged-slashes' || paths === 'decoded-slashes') && { mergeSlashes: true }),
  ...(paths === 'decoded-slashes' && {
    pathWithEscapedSlashesAction: PathWithEscapedSlashesAction.UNESCAPE_AND_FORWARD,
  }),
})

/** It answers 503 from when Envoy's admin interface is told `/healthcheck/fail`, which a proxy that is to end is. */
const buildHealthPath = ({ path, upstream }: HealthPath) => ({
  name: 'envoy.filters.http.health_check',
  configType: {
    case: 'typedConfig' as const,
    value: toAny(HealthCheckSchema, {
      passThroughMode: false,
      clusterMinHealthyPercentages: upstream === undefined ? {} : { [upstream]: { value: 100 } },
      headers: [
        {
          name: ':path',
          headerMatchSpecifier: { case: 'stringMatch', value: { matchPattern: { case: 'exact', value: path } } },
        },
      ],
    }),
  },
})

const buildRoutes = (routes: HttpHandler['routes']): MessageFields<typeof HttpConnectionManagerSchema> =>
  routes.kind === 'rds'
    ? { routeSpecifier: { case: 'rds', value: { routeConfigName: routes.name, configSource: adsSource } } }
    : {
        routeSpecifier: { case: 'routeConfig', value: buildInlineRouteConfiguration(routes.name, routes.virtualHosts) },
      }

const buildClientCertificateDetails = (
  details: HttpHandler['clientCertificate'],
): MessageFields<typeof HttpConnectionManagerSchema> =>
  details === 'strip'
    ? { forwardClientCertDetails: ForwardClientCertDetails.SANITIZE }
    : {
        forwardClientCertDetails: ForwardClientCertDetails.SANITIZE_SET,
        setCurrentClientCertDetails: {
          uri: true,
          dns: true,
          ...(details === 'set-whole' && { subject: true, cert: true }),
        },
      }
