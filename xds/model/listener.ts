import type { Access } from './access.ts'
import type { VirtualHost } from './virtual-host.ts'

export interface Listener {
  readonly name: string
  /** The key of the object that says for which services it is; absent = there is none. */
  readonly scopedBy?: string
  /** An IP address or "unix://<path>". */
  readonly address: string
  /** 0 with a Unix domain socket. */
  readonly port: number
  readonly direction: 'inbound' | 'outbound'
  /** Absent = applications' traffic. Of the others nothing is logged or counted. */
  readonly serves?: 'probes' | 'scrapes'
  /**
   * How connections come to it that were made to other addresses. Absent: they do not; the listener has the address to itself.
   * `gate`: captured ones come to its socket and are handed to the inner listener of the address that they were made to, if there is one.
   * `inner`: has no socket, is handed what was made to its address by a gate. `capture`: captured ones come to its socket and stay.
   */
  readonly role?: 'gate' | 'inner' | 'capture'
  /** What is sniffed before a chain is chosen. */
  readonly inspectors: readonly Inspector[]
  /** A connection that has said nothing for so long goes on as it is. Absent: Envoy's default, after which it is closed. */
  readonly sniffTimeoutMs?: number
  readonly chains: readonly FilterChain[]
  /** How a chain is chosen, by name; absent = by what the chains match. */
  readonly selection?: ChainSelection
  /** For connections that match no chain; absent = they are closed. */
  readonly defaultChain?: FilterChain
  /** Changes when a cluster is evicted, so that Envoy drains existing connections; 0 leaves no mark. */
  readonly trustEpoch: number
}

export interface Inspector {
  readonly kind: 'tls' | 'http'
  /** Connections to other ports are not looked into; absent = all are. */
  readonly ports?: readonly number[]
}

/** Names of chains, in the order in which they are looked for. */
export interface ChainSelection {
  /** For TLS: host names, and "*<suffix>" for all that end so; a longer one before a shorter one. The first of several for one host counts. */
  readonly byServerName: readonly {
    readonly host: string
    /** Only for connections to these, as in `byAddress`; absent = to all. What it leaves goes on to `byAddress`. */
    readonly addresses?: readonly string[]
    readonly chain: string
  }[]
  /** For HTTP in plaintext. */
  readonly http: string | undefined
  /** For connections to these addresses: IPv4, single or as CIDR blocks. The smallest block counts. */
  readonly byAddress: readonly { readonly addresses: readonly string[]; readonly chain: string }[]
}

export interface FilterChain {
  readonly name?: string
  /** The key of the object that asks for it. */
  readonly object?: string
  readonly match: ChainMatch
  /** Mesh mTLS is terminated, a client certificate demanded: of some cluster of the mesh, or of an external issuer (docs/decisions/0013). */
  readonly mtls?: {
    readonly alpn: readonly string[]
    readonly peers: 'mesh' | 'external'
    /** The client has to have one of these DNS names; absent = that of any cluster of the mesh. */
    readonly names?: readonly string[]
  }
  /** TLS is terminated with certificates that people gave. */
  readonly tls?: ServerTls
  readonly handler: HttpHandler | TcpHandler | SniHandler
}

export interface ServerTls {
  readonly certificates: readonly CertificateSource[]
  /** What is asked of clients; absent = nothing. */
  readonly clients?: ClientVerification
  readonly alpn: readonly string[]
  readonly minVersion: TlsVersion
  /** Absent = Envoy's newest. */
  readonly maxVersion?: TlsVersion
  /** Empty = Envoy's. */
  readonly cipherSuites: readonly string[]
}

export type TlsVersion = '1.0' | '1.1' | '1.2' | '1.3'

/** A secret that is served by SDS, or files that the proxy sees. */
export type CertificateSource =
  | { readonly kind: 'secret'; readonly name: string }
  | { readonly kind: 'file'; readonly chainFile: string; readonly keyFile: string }

export interface ClientVerification {
  readonly authorities:
    | { readonly kind: 'secret'; readonly name: string }
    | { readonly kind: 'file'; readonly caFile: string; readonly revocationFile?: string }
  /** Without it who has no certificate is let in too. */
  readonly isRequired: boolean
  /** Whether a certificate that does not verify is let through. */
  readonly acceptsUntrusted: boolean
  /** One of them is demanded; empty = none. */
  readonly subjectAltNames: readonly string[]
  /** SHA-256: of the key in base64, of the certificate in hexadecimal. */
  readonly spkiHashes: readonly string[]
  readonly certificateHashes: readonly string[]
}

export interface ChainMatch {
  readonly destinationPort?: number
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
  /**
   * `set`: x-forwarded-client-cert says who the client proved to be; `set-whole`: and holds the certificate. `strip`: what came with
   * the request is taken off.
   */
  readonly clientCertificate: 'set' | 'set-whole' | 'strip'
  /** Clients are of the world outside: where a request comes from is what its connection says. Absent = of the mesh. */
  readonly edge?: {
    /** How many proxies before this one are believed what they say in x-forwarded-for. */
    readonly trustedProxies: number
  }
  /** Whether people's policies say who may call what. */
  readonly isGuarded?: boolean
  /** Whether routes may lead to forward-proxy upstreams. */
  readonly isForwardProxy: boolean
  /** The client's proxy is told when a request never got as far as the application, so that it may ask another one. */
  readonly tellsUndelivered?: boolean
  /** What the proxy answers itself; absent = nothing. */
  readonly healthPaths?: readonly HealthPath[]
  /** Protocols beside HTTP that a request may switch to. */
  readonly upgrades: readonly ('websocket' | 'CONNECT')[]
}

/** Answered 200 as long as the proxy wants requests and the upstream, where there is one, passes its health check; else 503. */
export interface HealthPath {
  /** The whole, the query included. */
  readonly path: string
  readonly upstream?: string
}

export interface TcpHandler {
  readonly kind: 'tcp'
  readonly statPrefix: string
  /** What says that connections go this way; absent = nothing does, beside the service. */
  readonly writtenAt?: { readonly object: string; readonly path: string }
  readonly destinations: readonly { readonly upstream: string; readonly weight: number }[]
  readonly hashesSourceIp: boolean
  /** Who may connect; absent = whoever gets so far. */
  readonly access?: Access
  readonly idleTimeoutMs?: number
  /** It leads to forward-proxy upstreams: to the host that TLS asks for, on this port. */
  readonly forwardsTo?: { readonly port: number }
  readonly maxDurationMs?: number
  /** The destination is asked to pass the connection on to this "host:port"; absent = it is the end. */
  readonly tunnel?: { readonly target: string; readonly method: 'CONNECT' | 'POST' }
}

/** TLS is passed through, to the service that the SNI names as mesh mTLS between networks does. */
export interface SniHandler {
  readonly kind: 'sni'
  readonly statPrefix: string
  /** Only for services with these names; "*.<suffix>" and "*" for all that end so. */
  readonly hosts: readonly string[]
}
