/** A server that is asked who may call (Envoy: ext_authz), in place of a policy's own rules. */
export interface Authorizer {
  /** Its EnvoyCluster. */
  readonly upstream: string
  readonly authority: string
  readonly timeoutMs: number
  /** Who may call when it can not be asked: everybody, or nobody. */
  readonly failsOpen: boolean
  /** The answer to whom it can not be asked about; absent = 403. */
  readonly statusOnError?: number
  /** Whether headers that it changes count for where a request goes. */
  readonly clearsRoute: boolean
  /** What it is told of a request's body; absent = nothing. */
  readonly body?: RequestBodyTold
  readonly speaks: { readonly protocol: 'grpc' } | ({ readonly protocol: 'http' } & HttpCheck)
}

interface RequestBodyTold {
  readonly maxBytes: number
  /** Of a longer one the beginning is told; else it is answered 413. */
  readonly isCut: boolean
  /** As bytes, and not as text. Of gRPC alone. */
  readonly isRaw: boolean
}

/** A text that headers' names are, begin or end with, whatever their case. */
export interface NamePattern {
  readonly kind: 'exact' | 'prefix' | 'suffix'
  readonly text: string
}

/** How a request is asked about over HTTP. Empty lists: as Envoy does by itself. */
export interface HttpCheck {
  /** Before the request's own path. */
  readonly pathPrefix: string
  /** Which of its headers are told, beside method, path, host and authorization. */
  readonly told: readonly NamePattern[]
  readonly added: readonly { readonly name: string; readonly value: string }[]
  /** Which headers of the answer the application has. */
  readonly toUpstream: readonly NamePattern[]
  /** Which ones the client has, of those who may call and of those who may not. */
  readonly toAllowed: readonly NamePattern[]
  readonly toDenied: readonly NamePattern[]
}
