import type { MessageInitShape } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import { HttpProtocolOptionsSchema } from '#envoy/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.ts'
import type { Upstream, UpstreamPolicy, UpstreamProtocol } from '#xds/model/upstream.ts'
import { toAny } from './any.ts'
import { toDuration } from './duration.ts'

const extension = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'

type Options = MessageInitShape<typeof HttpProtocolOptionsSchema>

const toProtocolOptions = (
  protocol: UpstreamProtocol,
  { maxConcurrentStreams, pings }: Pick<UpstreamPolicy, 'maxConcurrentStreams' | 'pings'> = {},
): NonNullable<Options['upstreamProtocolOptions']> => {
  const http2ProtocolOptions = {
    ...(maxConcurrentStreams !== undefined && { maxConcurrentStreams }),
    ...(pings && {
      connectionKeepalive: { interval: toDuration(pings.intervalMs), timeout: toDuration(pings.timeoutMs) },
    }),
  }
  if (protocol === 'downstream') {
    return { case: 'useDownstreamProtocolConfig', value: { httpProtocolOptions: {}, http2ProtocolOptions } }
  }
  const protocolConfig =
    protocol === 'http2'
      ? ({ case: 'http2ProtocolOptions', value: http2ProtocolOptions } as const)
      : ({ case: 'httpProtocolOptions', value: {} } as const)
  return { case: 'explicitHttpConfig', value: { protocolConfig } }
}

const defaultsByProtocol = new Map<UpstreamProtocol, Record<string, Any>>(
  (['http2', 'downstream'] as const).map((protocol) => [
    protocol,
    { [extension]: toAny(HttpProtocolOptionsSchema, { upstreamProtocolOptions: toProtocolOptions(protocol) }) },
  ]),
)

/** How HTTP is spoken to an upstream; nothing where Envoy's default (HTTP/1.1, no limits) says the same. */
export const buildHttpProtocolOptions = ({ protocol, policy, tls, discovery }: Upstream): Record<string, Any> => {
  const { idleTimeoutMs, maxRequestsPerConnection, maxConnectionDurationMs, maxConcurrentStreams, pings } = policy
  const errorCodes = policy.outlierDetection?.errorCodes
  // Envoy wants a forward proxy to check certificates against the host, should it ever speak TLS.
  const followsRequest = discovery.kind === 'forward-proxy' || (tls.mode === 'originate' && tls.sni === undefined)
  const common = idleTimeoutMs ?? maxRequestsPerConnection ?? maxConnectionDurationMs
  if ((common ?? maxConcurrentStreams ?? pings ?? errorCodes) === undefined && !followsRequest) {
    return defaultsByProtocol.get(protocol) ?? {}
  }
  const isVerified = tls.mode !== 'originate' || tls.verification !== 'none'
  return {
    [extension]: toAny(HttpProtocolOptionsSchema, {
      upstreamProtocolOptions: toProtocolOptions(protocol, policy),
      commonHttpProtocolOptions: {
        ...(idleTimeoutMs !== undefined && { idleTimeout: toDuration(idleTimeoutMs) }),
        ...(maxConnectionDurationMs !== undefined && { maxConnectionDuration: toDuration(maxConnectionDurationMs) }),
        ...(maxRequestsPerConnection !== undefined && { maxRequestsPerConnection }),
      },
      ...(followsRequest && { upstreamHttpProtocolOptions: { autoSni: true, autoSanValidation: isVerified } }),
      ...(errorCodes && { outlierDetection: { errorMatcher: buildErrorMatcher(errorCodes) } }),
    }),
  }
}

const buildErrorMatcher = (codes: readonly number[]) => {
  const rules = [...new Set(codes)].map((code) => ({ rule: toStatusRule(code) }))
  const [only, ...others] = rules
  // Envoy wants at least two of what is to be either.
  return only && others.length === 0 ? only : { rule: { case: 'orMatch' as const, value: { rules } } }
}

const toStatusRule = (code: number) => ({
  case: 'httpResponseHeadersMatch' as const,
  value: {
    headers: [
      {
        name: ':status',
        headerMatchSpecifier: {
          case: 'stringMatch' as const,
          value: { matchPattern: { case: 'exact' as const, value: String(code) } },
        },
      },
    ],
  },
})
