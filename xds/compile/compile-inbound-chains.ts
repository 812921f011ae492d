import { isHttpProtocol, type Protocol } from '#mesh/service.ts'
import type { MeshSettings } from '#mesh/settings.ts'
import { istioHttpAlpn, istioTcpAlpn } from './external-peers.ts'
import type { ChainMatch, FilterChain, HttpHandler, Inspector, TcpHandler } from '#xds/model/listener.ts'
import { anyRequest } from './compile-http-match.ts'
import { toInboundUpstreamName } from './resource-names.ts'

/** What comes to one port of a workload. */
export interface InboundTraffic {
  readonly port: number
  readonly protocol: Protocol
  /** The services that are served there. */
  readonly hostnames: readonly string[]
  /** Of TCP connections. */
  readonly idleTimeoutMs?: number
}

/** Who may come in. */
export interface InboundRules {
  readonly mode: MeshSettings['inboundMtls']
  /** Whether peers of external issuers are let in, at chains of their own (docs/decisions/0013). */
  readonly takesExternal: boolean
  /** Whether captured connections to ports are let in that no service names. */
  readonly takesUnnamed: boolean
  /** How long a captured connection may say nothing, where what it speaks is found out; 0 = for ever. */
  readonly sniffTimeoutMs: number
}

const httpAlpn = ['h2', 'http/1.1']
const plaintextHttp = ['http/1.0', 'http/1.1', 'h2c']

/**
 * Strict: mesh mTLS alone. Permissive: plaintext as well, told apart by the TLS inspector; what is TLS for the application itself, by the
 * SNI that mesh clients send ("outbound_.<port>_.<subset>_.<host>"). Istio's clients are told apart by their ALPN. A sniffed port is HTTP when the client's ALPN, or its first bytes
 * in plaintext, say so.
 */
export const compileInboundChains = (
  inbound: InboundTraffic,
  { mode, takesExternal }: Pick<InboundRules, 'mode' | 'takesExternal'>,
): FilterChain[] => {
  const { protocol } = inbound
  const isPermissive = mode === 'permissive'
  const isHttp = isHttpProtocol(protocol)
  const isAuto = protocol === 'auto'
  const isTlsInside = isPermissive && (protocol === 'https' || protocol === 'tls')

  const meshMatch: ChainMatch = {
    ...((isPermissive || isAuto || takesExternal) && { transport: 'tls' }),
    ...(isTlsInside && { serverNames: inbound.hostnames.map((hostname) => `*.${hostname.replace(/^\*\./, '')}`) }),
  }
  const toMesh = (peers: 'mesh' | 'external', httpProtocols: readonly string[], tcpProtocols: readonly string[]) => {
    const toMatch = (applicationProtocols: readonly string[]): ChainMatch =>
      applicationProtocols.length > 0 ? { ...meshMatch, applicationProtocols } : meshMatch
    const toHttp = (protocols: readonly string[]): FilterChain => ({
      match: toMatch(protocols),
      mtls: { alpn: httpAlpn, peers },
      handler: compileHttpHandler(inbound, 'set'),
    })
    const toTcp = (protocols: readonly string[]): FilterChain => ({
      match: toMatch(protocols),
      mtls: { alpn: [], peers },
      handler: compileTcpHandler(inbound),
    })
    if (isAuto) return [toHttp(httpProtocols), toTcp(tcpProtocols)]
    const all = tcpProtocols.length > 0 ? [...httpProtocols, ...tcpProtocols] : []
    return [isHttp ? toHttp(all) : toTcp(all)]
  }
  const mesh = [
    ...toMesh('mesh', httpAlpn, []),
    ...(takesExternal ? toMesh('external', istioHttpAlpn, istioTcpAlpn) : []),
  ]

  const plainMatch: ChainMatch = { transport: 'raw_buffer' }
  const plainTcp: FilterChain = { match: isTlsInside ? {} : plainMatch, handler: compileTcpHandler(inbound) }
  const plainHttp: FilterChain = { match: plainMatch, handler: compileHttpHandler(inbound, 'strip') }
  const plain = isAuto
    ? [{ ...plainHttp, match: { ...plainMatch, applicationProtocols: plaintextHttp } }, plainTcp]
    : [isHttp ? plainHttp : plainTcp]

  return isPermissive ? [...mesh, ...plain] : mesh
}

/** What has to be sniffed for these chains to be told apart. */
export const toSniffed = ({ protocol }: InboundTraffic, { mode, takesExternal }: InboundRules): Inspector['kind'][] => {
  const isPermissive = mode === 'permissive'
  const isAuto = protocol === 'auto'
  return [
    ...(isPermissive || isAuto || takesExternal ? ['tls' as const] : []),
    ...(isPermissive && isAuto ? ['http' as const] : []),
  ]
}

const compileHttpHandler = ({ port }: InboundTraffic, clientCertificate: 'set' | 'strip'): HttpHandler => {
  const name = toInboundUpstreamName(port)
  const forward = { kind: 'forward' as const, destinations: [{ upstream: name, weight: 1 }], timeoutMs: 0 }
  return {
    kind: 'http',
    statPrefix: `inbound_${port}`,
    routes: {
      kind: 'inline',
      name,
      virtualHosts: [{ name, domains: ['*'], routes: [{ match: anyRequest, action: forward }], retries: undefined }],
    },
    clientCertificate,
    isForwardProxy: false,
    tellsUndelivered: true,
    upgrades: ['websocket'],
  }
}

const compileTcpHandler = ({ port, idleTimeoutMs }: InboundTraffic): TcpHandler => ({
  kind: 'tcp',
  statPrefix: `inbound_${port}`,
  destinations: [{ upstream: toInboundUpstreamName(port), weight: 1 }],
  hashesSourceIp: false,
  ...(idleTimeoutMs !== undefined && { idleTimeoutMs }),
})
