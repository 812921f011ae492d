import type { AccessLog, RecordLog } from './access-log.ts'
import type { StandardMetrics } from './standard-metrics.ts'
import type { Tracing } from './tracing.ts'
import type { PlacedPlugin } from './wasm-plugin.ts'

/** What the mesh's settings say of all listeners of its proxies. */
export interface ListenerDefaults {
  /** Of which calls the agent is told. Absent = of none. */
  readonly records?: RecordLog
  /** Who else is told of calls, and of connections that no filter chain takes. */
  readonly accessLogs: readonly AccessLog[]
  readonly unmatchedLogs: readonly AccessLog[]
  /** Absent = nothing is counted. */
  readonly metrics?: StandardMetrics
  /** Absent = requests have no traces but what applications make themselves. */
  readonly tracing?: Tracing
  /** In the order in which they are met within a phase; absent = none. */
  readonly plugins?: readonly PlacedPlugin[]
  /** What is done to a request's path before it is looked at. Istio: MeshConfig.ProxyPathNormalization. */
  readonly paths: 'as-sent' | 'normalised' | 'merged-slashes' | 'decoded-slashes'
  /** Of mesh mTLS. */
  readonly meshTls: TlsLimits
  /** Of TLS that gateways serve, where a server says nothing else. */
  readonly serverTls: TlsHandshake
}

export interface TlsLimits extends TlsHandshake {
  readonly atLeast: '1.2' | '1.3'
}

/** Absent fields leave Envoy's default. */
export interface TlsHandshake {
  readonly curves?: readonly string[]
  /** Of TLS 1.2. */
  readonly cipherSuites?: readonly string[]
}
