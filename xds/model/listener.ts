import type { VirtualHost } from './virtual-host.ts'

export interface Listener {
  readonly name: string
  /** An IP address or "unix://<path>". */
  readonly address: string
  /** 0 with a Unix domain socket. */
  readonly port: number
  readonly direction: 'inbound' | 'outbound'
  /** What is sniffed before a chain is chosen. */
  readonly inspectors: readonly ('tls' | 'http')[]
  readonly chains: readonly FilterChain[]
  /** For connections that match no chain; absent = they are closed. */
  readonly defaultChain?: FilterChain
  /** Changes when a cluster is evicted, so that Envoy drains existing connections; 0 leaves no mark. */
  readonly trustEpoch: number
}

export interface FilterChain {
  readonly match: ChainMatch
  /** Mesh mTLS is terminated, a client certificate of some cluster of the mesh demanded. */
  readonly mtls?: { readonly alpn: readonly string[] }
  readonly handler: HttpHandler | TcpHandler | SniHandler
}

export interface ChainMatch {
  readonly transport?: 'tls' | 'raw_buffer'
  readonly applicationProtocols?: readonly string[]
  readonly serverNames?: readonly string[]
}

export interface HttpHandler {
  readonly kind: 'http'
  readonly statPrefix: string
  readonly routes:
    | { readonly kind: 'rds'; readonly name: string }
    | { readonly kind: 'inline'; readonly name: string; readonly virtualHosts: readonly VirtualHost[] }
  /** `set`: x-forwarded-client-cert says who the client proved to be. `strip`: what came with the request is taken off. */
  readonly clientCertificate: 'set' | 'strip'
  /** Whether routes may lead to forward-proxy upstreams. */
  readonly isForwardProxy: boolean
  /** Protocols beside HTTP that a request may switch to. */
  readonly upgrades: readonly ('websocket' | 'CONNECT')[]
}

export interface TcpHandler {
  readonly kind: 'tcp'
  readonly statPrefix: string
  readonly destinations: readonly { readonly upstream: string; readonly weight: number }[]
  readonly hashesSourceIp: boolean
  readonly idleTimeoutMs?: number
}

/** The upstream is named by the SNI; TLS is passed through. */
export interface SniHandler {
  readonly kind: 'sni'
  readonly statPrefix: string
}
