import type { CalledService } from './called-service.ts'
import type { TlsHandshake } from './listener-defaults.ts'
import type { CertificateSource } from './listener.ts'
import type { LoadAssignment } from './load-assignment.ts'

/** Where requests go: what becomes one EnvoyCluster. */
export interface Upstream {
  readonly name: string
  /** The keys of the objects that say how it is called, joined by ","; absent = there are none. */
  readonly ruledBy?: string
  readonly discovery: Discovery
  readonly protocol: UpstreamProtocol
  readonly tls: UpstreamTls
  /** Absent = the server is not told who the connection is from. */
  readonly proxyProtocol?: 'V1' | 'V2'
  readonly policy: UpstreamPolicy
  /** Absent = endpoints count as healthy until they are found to be outliers. */
  readonly healthCheck?: HealthCheck
  /** What connections are bound to; absent = what the system chooses. */
  readonly sourceAddress?: string
  /** Changes when a cluster is evicted, so that Envoy replaces its connections; 0 leaves no mark. */
  readonly trustEpoch: number
  /** Absent = nothing that telemetry tells. */
  readonly called?: CalledService
}

export type Discovery =
  /** Endpoints come by EDS. */
  | { readonly kind: 'eds' }
  /** Fixed addresses. */
  | { readonly kind: 'static'; readonly assignment: LoadAssignment }
  /** Host names, resolved by the proxy; `logical-dns` uses one address of the answer at a time. */
  | { readonly kind: 'strict-dns' | 'logical-dns'; readonly assignment: LoadAssignment; readonly refreshMs: number }
  /** Where the client's connection was made to. */
  | { readonly kind: 'original-destination' }
  /** Whatever host the request names, resolved by the proxy. */
  | { readonly kind: 'forward-proxy' }

/** What is spoken to the server; `downstream` is what the client spoke. */
export type UpstreamProtocol = 'http1' | 'http2' | 'downstream' | 'tcp'

export type UpstreamTls =
  | { readonly mode: 'none' }
  /** Mesh mTLS. Endpoints that are marked as plaintext are spoken to without, if they may exist, and those marked as external as such. */
  | {
      readonly mode: 'mesh'
      readonly sni: string
      readonly workloads: readonly string[]
      readonly plaintext: 'marked' | 'never'
      /** Absent = there are none. */
      readonly external?: ExternalPeers
    }
  /** Mesh mTLS with peers of external issuers alone. */
  | ({ readonly mode: 'external'; readonly sni: string } & ExternalPeers)
  /** TLS to a server that may be anybody. */
  | { readonly mode: 'unverified' }
  /** TLS to a server outside of the mesh. */
  | {
      readonly mode: 'originate'
      /** Absent: the host that the request names (HTTP only). Without alternative names the certificate has to be for it. */
      readonly sni: string | undefined
      readonly verification:
        | {
            readonly authorities:
              | { readonly kind: 'system' }
              | { readonly kind: 'secret'; readonly name: string }
              | { readonly kind: 'file'; readonly caFile: string }
            readonly crlFile: string | undefined
            readonly subjectAltNames: readonly string[]
          }
        | 'none'
      readonly certificate: CertificateSource | undefined
      readonly handshake: TlsHandshake
    }

/** Servers that are believed by an external issuer's word (docs/decisions/0013). */
export interface ExternalPeers {
  /** One of these is demanded. */
  readonly spiffeIds: readonly string[]
  readonly alpn: readonly string[]
}

/** One answer, or its lack, decides. `grpc` is grpc.health.v1.Health/Check of a service ("" = the whole server). */
export interface HealthCheck {
  readonly check:
    | { readonly kind: 'tcp' }
    | { readonly kind: 'grpc'; readonly service: string; readonly authority: string }
  readonly timeoutMs: number
  readonly intervalMs: number
  /** As long as it is not healthy. */
  readonly unhealthyIntervalMs: number
}

/** How connections to an upstream behave. Absent fields leave Envoy's default. */
export interface UpstreamPolicy {
  readonly loadBalancer: LoadBalancer
  readonly connectTimeoutMs: number
  readonly limits: UpstreamLimits
  readonly maxRequestsPerConnection?: number
  /** 0 = no limit. */
  readonly idleTimeoutMs?: number
  readonly maxConnectionDurationMs?: number
  /** Of HTTP/2, on one connection. */
  readonly maxConcurrentStreams?: number
  readonly pings?: { readonly intervalMs: number; readonly timeoutMs: number }
  readonly tcpKeepalive?: TcpKeepalive
  readonly outlierDetection?: OutlierDetection
  /** Below this share of healthy hosts traffic goes to all of them. */
  readonly panicPercent?: number
  /** Whether its load assignment gives localities shares. */
  readonly sharesByLocality?: true
}

export type LoadBalancer =
  | { readonly kind: 'least-request' | 'round-robin'; readonly warmup?: Warmup }
  | { readonly kind: 'random' }
  | { readonly kind: 'ring-hash'; readonly minimumRingSize?: number }
  | { readonly kind: 'maglev'; readonly tableSize?: number }

/** How the share of a new endpoint grows. */
export interface Warmup {
  readonly windowMs: number
  /** Of its full share, at the start. */
  readonly minimumPercent: number
  /** 1 = evenly; the higher, the faster at the start. */
  readonly aggression: number
}

/** Circuit breakers; absent = unlimited. */
export interface UpstreamLimits {
  readonly maxConnections?: number
  readonly maxPendingRequests?: number
  readonly maxRequests?: number
  readonly maxRetries?: number
  /** Of present requests; then `maxRetries` does not count. */
  readonly retryBudget?: { readonly percent: number; readonly minConcurrency: number }
}

export interface TcpKeepalive {
  readonly probes?: number
  readonly timeMs?: number
  readonly intervalMs?: number
}

/** Fields as in Envoy's OutlierDetection; a count of 0 switches that detector off. */
export interface OutlierDetection {
  readonly consecutive5xx?: number
  readonly consecutiveGatewayErrors?: number
  readonly consecutiveLocalOriginFailures?: number
  readonly splitsLocalOriginErrors: boolean
  /** The answers that count as errors; absent = 5xx. */
  readonly errorCodes?: readonly number[]
  readonly intervalMs?: number
  readonly baseEjectionTimeMs?: number
  readonly maxEjectionPercent?: number
}
