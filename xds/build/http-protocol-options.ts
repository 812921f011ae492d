import type { MessageInitShape } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import { HttpProtocolOptionsSchema } from '#envoy/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.ts'
import type { Upstream, UpstreamProtocol } from '#xds/model/upstream.ts'
import { toAny } from './any.ts'
import { toDuration } from './duration.ts'

const extension = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'

type Options = MessageInitShape<typeof HttpProtocolOptionsSchema>

const toProtocolOptions = (protocol: UpstreamProtocol): NonNullable<Options['upstreamProtocolOptions']> => {
  if (protocol === 'downstream') {
    return { case: 'useDownstreamProtocolConfig', value: { httpProtocolOptions: {}, http2ProtocolOptions: {} } }
  }
  const protocolConfig =
    protocol === 'http2'
      ? ({ case: 'http2ProtocolOptions', value: {} } as const)
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
  const { idleTimeoutMs, maxRequestsPerConnection, maxConnectionDurationMs } = policy
  // Envoy wants a forward proxy to check certificates against the host, should it ever speak TLS.
  const followsRequest = discovery.kind === 'forward-proxy' || (tls.mode === 'originate' && tls.sni === undefined)
  if ((idleTimeoutMs ?? maxRequestsPerConnection ?? maxConnectionDurationMs) === undefined && !followsRequest) {
    return defaultsByProtocol.get(protocol) ?? {}
  }
  return {
    [extension]: toAny(HttpProtocolOptionsSchema, {
      upstreamProtocolOptions: toProtocolOptions(protocol),
      commonHttpProtocolOptions: {
        ...(idleTimeoutMs !== undefined && { idleTimeout: toDuration(idleTimeoutMs) }),
        ...(maxConnectionDurationMs !== undefined && { maxConnectionDuration: toDuration(maxConnectionDurationMs) }),
        ...(maxRequestsPerConnection !== undefined && { maxRequestsPerConnection }),
      },
      ...(followsRequest && { upstreamHttpProtocolOptions: { autoSni: true, autoSanValidation: true } }),
    }),
  }
}
