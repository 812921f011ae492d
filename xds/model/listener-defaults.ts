/** What the mesh's settings say of all listeners of its proxies. */
export interface ListenerDefaults {
  /** Absent = nothing is logged. */
  readonly accessLog?: AccessLog
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

export interface AccessLog {
  /** A file of the proxy's. */
  readonly path: string
  /** Envoy's format, with its command operators: a line, or fields of a JSON object. */
  readonly format:
    | { readonly kind: 'text'; readonly text: string }
    | { readonly kind: 'json'; readonly fields: Readonly<Record<string, unknown>> }
  /** Whether connections that no filter chain takes are logged as well. */
  readonly logsUnmatched: boolean
}
