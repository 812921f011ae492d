import type { FilterChain } from '#envoy/envoy/config/listener/v3/listener_components_pb.ts'
import { DownstreamTlsContextSchema } from '#envoy/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts'
import { normalisePath } from '#xds/judge/normalise-path.ts'
import { isTls, type SettledCall } from './call.ts'
import type { Found, Limit } from './explanation.ts'
import type { Handler } from './find-handler.ts'
import { toClientAddress, toJudgedRequest } from './read-request.ts'
import { unpack } from './served.ts'
import { tellPolicy, type Judge } from './tell-policy.ts'

/** What a proxy's own policies say of what its clients send: of a gateway's nothing but what they ask for is known. */
export const judgeAtGateway = (
  judge: Judge,
  { chain, handler, call }: { readonly chain: FilterChain; readonly handler: Handler; readonly call: SettledCall },
): Found<Limit | undefined> => {
  const request = toJudgedRequest(call)
  return tellPolicy(judge, {
    peer: asksCertificate(chain) ? undefined : 'nobody',
    connectedFrom: call.sourceAddress,
    clientAddress: toClientAddress(handler, request, call.sourceAddress),
    address: undefined,
    port: call.port,
    serverName: isTls(call) ? call.host.toLowerCase() : '',
    ...(handler.kind === 'http' && { request: { ...request, path: normalisePath(call.path, handler.paths) } }),
  })
}

const asksCertificate = ({ transportSocket }: FilterChain): boolean => {
  const config = transportSocket?.configType.case === 'typedConfig' ? transportSocket.configType.value : undefined
  const tls = unpack(config, DownstreamTlsContextSchema)
  return tls?.commonTlsContext?.validationContextType.case !== undefined
}
