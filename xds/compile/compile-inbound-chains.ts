import { isHttpProtocol, type Protocol } from '#mesh/service.ts'
import { istioHttpAlpn, istioTcpAlpn } from './external-peers.ts'
import type { Access } from '#xds/model/access.ts'
import type { ChainMatch, FilterChain, HttpHandler, Inspector, TcpHandler } from '#xds/model/listener.ts'
import { anyRequest } from './compile-http-match.ts'
import { toInboundUpstreamName } from './resource-names.ts'

/** PeerAuthentication's STRICT, PERMISSIVE and DISABLE. */
export type InboundMode = 'strict' | 'permissive' | 'plaintext'

/** What comes to one port of a workload. */
export interface InboundTraffic {
  readonly port: number
  readonly protocol: Protocol
  /** The services that are served there. */
  readonly hostnames: readonly string[]
  readonly mode: InboundMode
  /** Of TCP connections. */
  readonly idleTimeoutMs?: number
}

/** Who may come in. */
export interface InboundRules {
  /** Whether peers of external issuers are let in, at chains of their own (docs/decisions/0013). */
  readonly takesExternal: boolean
  /** Of connections that are none of HTTP; absent = whoever gets so far may call. */
  readonly access?: Access
  /** The same of those that may be HTTP for all that is known, at ports whose protocol is found out or that no service names; absent = `access`. */
  readonly untoldAccess?: Access
  /** Whether somebody is judged by the name that TLS asks for. */
  readonly asksServerName: boolean
  /** How captured connections to ports are let in that no service names; absent = they are not. */
  readonly unnamed?: UnnamedPorts
  /** How long a captured connection may say nothing, where what it speaks is found out; 0 = for ever. */
  readonly sniffTimeoutMs: number
}

export interface UnnamedPorts {
  readonly mode: InboundMode
  /** Those of them that are not taken as the others are. */
  readonly ports: readonly { readonly port: number; readonly mode: InboundMode }[]
}

const httpAlpn = ['h2', 'http/1.1']
const plaintextHttp = ['http/1.0', 'http/1.1', 'h2c']

/**
 * Strict: mesh mTLS alone. Plaintext: as it comes, and a client's TLS is for the application. Permissive: plaintext as well, told apart by the TLS inspector; what is TLS for the application itself, by the
 * SNI that mesh clients send ("outbound_.<port>_.<subset>_.<host>"). Istio's clients are told apart by their ALPN. A sniffed port is HTTP when the client's ALPN, or its first bytes
 * in plaintext, say so.
 */
export const compileInboundChains = (
  inbound: InboundTraffic,
  { takesExternal, ...rules }: Pick<InboundRules, 'takesExternal' | 'access' | 'untoldAccess'>,
): FilterChain[] => {
  const { protocol, mode } = inbound
  const isPermissive = mode === 'permissive'
  const isHttp = isHttpProtocol(protocol)
  const isAuto = protocol === 'auto'
  const access = isAuto ? (rules.untoldAccess ?? rules.access) : rules.access
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
      handler: compileTcpHandler(inbound, access),
    })
    if (isAuto) return [toHttp(httpProtocols), toTcp(tcpProtocols)]
    const all = tcpProtocols.length > 0 ? [...httpProtocols, ...tcpProtocols] : []
    return [isHttp ? toHttp(all) : toTcp(all)]
  }
  const mesh = [
    ...toMesh('mesh', httpAlpn, []),
    ...(takesExternal ? toMesh('external', istioHttpAlpn, istioTcpAlpn) : []),
  ]

  // Nothing looks for TLS where no other chain is for it.
  const plainMatch: ChainMatch = mode === 'plaintext' ? {} : { transport: 'raw_buffer' }
  const plainTcp: FilterChain = { match: isTlsInside ? {} : plainMatch, handler: compileTcpHandler(inbound, access) }
  const plainHttp: FilterChain = { match: plainMatch, handler: compileHttpHandler(inbound, 'strip') }
  const plain = isAuto
    ? [{ ...plainHttp, match: { ...plainMatch, applicationProtocols: plaintextHttp } }, plainTcp]
    : [isHttp ? plainHttp : plainTcp]

  return mode === 'plaintext' ? plain : isPermissive ? [...mesh, ...plain] : mesh
}

/** What has to be sniffed for these chains to be told apart. */
export const toSniffed = (
  { protocol, mode }: InboundTraffic,
  { takesExternal, asksServerName }: Pick<InboundRules, 'takesExternal' | 'asksServerName'>,
): Inspector['kind'][] => {
  const isAuto = protocol === 'auto'
  const tellsChains = mode !== 'plaintext' && (mode === 'permissive' || isAuto || takesExternal)
  return [
    ...(tellsChains || asksServerName ? ['tls' as const] : []),
    ...(mode !== 'strict' && isAuto ? ['http' as const] : []),
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
    isGuarded: true,
    isForwardProxy: false,
    tellsUndelivered: true,
    upgrades: ['websocket'],
  }
}

const compileTcpHandler = ({ port, idleTimeoutMs }: InboundTraffic, access: Access | undefined): TcpHandler => ({
  kind: 'tcp',
  statPrefix: `inbound_${port}`,
  destinations: [{ upstream: toInboundUpstreamName(port), weight: 1 }],
  hashesSourceIp: false,
  ...(access && { access }),
  ...(idleTimeoutMs !== undefined && { idleTimeoutMs }),
})
