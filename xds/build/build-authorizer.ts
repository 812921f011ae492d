import { create } from '@bufbuild/protobuf'
import { ApiVersion } from '#envoy/envoy/config/core/v3/config_source_pb.ts'
import {
  AuthorizationRequestSchema,
  AuthorizationResponseSchema,
  ExtAuthzSchema,
  type ExtAuthz,
  type HttpService,
  HttpServiceSchema,
} from '#envoy/envoy/extensions/filters/http/ext_authz/v3/ext_authz_pb.ts'
import {
  ExtAuthzSchema as NetworkExtAuthzSchema,
  type ExtAuthz as NetworkExtAuthz,
} from '#envoy/envoy/extensions/filters/network/ext_authz/v3/ext_authz_pb.ts'
import { ListStringMatcherSchema, type ListStringMatcher } from '#envoy/envoy/type/matcher/v3/string_pb.ts'
import type { StatusCode } from '#envoy/envoy/type/v3/http_status_pb.ts'
import type { Authorizer, HttpCheck, NamePattern } from '#xds/model/authorizer.ts'
import { toDuration } from './duration.ts'

/** Istio's: what begins the statistics and the metadata of the filter that marks what is to be asked about, and the names of its rules. */
export const markPrefix = 'istio_ext_authz_'
export const markedRulePrefix = 'istio-ext-authz'

/** Of what the filter before it has marked, and of nothing else. */
const toMarked = (filter: string) => ({
  filter,
  path: [{ segment: { case: 'key' as const, value: `${markPrefix}shadow_effective_policy_id` } }],
  value: {
    matchPattern: {
      case: 'stringMatch' as const,
      value: { matchPattern: { case: 'prefix' as const, value: markedRulePrefix } },
    },
  },
})

const toGrpcService = ({ upstream, authority, timeoutMs }: Authorizer) => ({
  targetSpecifier: { case: 'envoyGrpc' as const, value: { clusterName: upstream, authority } },
  timeout: toDuration(timeoutMs),
})

/** Istio reference: EnvoyExternalAuthorizationHttpProvider, EnvoyExternalAuthorizationGrpcProvider. */
export const buildAuthorizer = (authorizer: Authorizer): ExtAuthz => {
  const { body, speaks, failsOpen, clearsRoute, statusOnError } = authorizer
  return create(ExtAuthzSchema, {
    transportApiVersion: ApiVersion.V3,
    services:
      speaks.protocol === 'grpc'
        ? { case: 'grpcService', value: toGrpcService(authorizer) }
        : { case: 'httpService', value: buildHttpService(authorizer, speaks) },
    ...(speaks.protocol === 'http' && speaks.told.length > 0 && { allowedHeaders: buildPatterns(speaks.told) }),
    failureModeAllow: failsOpen,
    clearRouteCache: clearsRoute,
    ...(statusOnError !== undefined && { statusOnError: { code: statusOnError as StatusCode } }),
    ...(body && {
      withRequestBody: {
        maxRequestBytes: body.maxBytes,
        allowPartialMessage: body.isCut,
        packAsBytes: body.isRaw && speaks.protocol === 'grpc',
      },
    }),
    filterEnabledMetadata: toMarked('envoy.filters.http.rbac'),
  })
}

/** The same for connections that are none of HTTP; over gRPC alone. */
export const buildConnectionAuthorizer = (authorizer: Authorizer, statPrefix: string): NetworkExtAuthz =>
  create(NetworkExtAuthzSchema, {
    statPrefix,
    transportApiVersion: ApiVersion.V3,
    grpcService: toGrpcService(authorizer),
    failureModeAllow: authorizer.failsOpen,
    filterEnabledMetadata: toMarked('envoy.filters.network.rbac'),
  })

const buildHttpService = (
  { upstream, authority, timeoutMs }: Authorizer,
  { pathPrefix, added, toUpstream, toAllowed, toDenied }: HttpCheck,
): HttpService =>
  create(HttpServiceSchema, {
    serverUri: {
      uri: `http://${authority}`,
      httpUpstreamType: { case: 'cluster', value: upstream },
      timeout: toDuration(timeoutMs),
    },
    pathPrefix,
    authorizationRequest: create(AuthorizationRequestSchema, {
      headersToAdd: added.map(({ name, value }) => ({ key: name, value })),
    }),
    authorizationResponse: create(AuthorizationResponseSchema, {
      ...(toUpstream.length > 0 && { allowedUpstreamHeaders: buildPatterns(toUpstream) }),
      ...(toDenied.length > 0 && { allowedClientHeaders: buildPatterns(toDenied) }),
      ...(toAllowed.length > 0 && { allowedClientHeadersOnSuccess: buildPatterns(toAllowed) }),
    }),
  })

const buildPatterns = (patterns: readonly NamePattern[]): ListStringMatcher =>
  create(ListStringMatcherSchema, {
    patterns: patterns.map(({ kind, text }) => ({ matchPattern: { case: kind, value: text }, ignoreCase: true })),
  })
