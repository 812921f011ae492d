/** Who is told of calls, by Envoy's formats with their command operators. */
export type AccessLog = (FileLog | GrpcLog | OtlpLog) & {
  /** An expression of CEL: calls of which it is not true are not told. Absent = of all. */
  readonly filter?: string
}

/** The agent's. */
export type RecordLog = Pick<AccessLog, 'filter'>

export interface FileLog {
  readonly kind: 'file'
  /** A file of the proxy's. */
  readonly path: string
  /** A line, or fields of a JSON object. */
  readonly format:
    | { readonly kind: 'text'; readonly text: string }
    | { readonly kind: 'json'; readonly fields: JsonFields }
  /** Whether what is not known is left out, instead of "-". */
  readonly omitsUnknown: boolean
}

export type JsonFields = Readonly<Record<string, unknown>>

/** An EnvoyCluster, and what it is called there. */
export interface LogServer {
  readonly upstream: string
  readonly authority: string
}

/** Envoy's own service of access logs, for what is HTTP or for what is not. */
export interface GrpcLog extends LogServer {
  readonly kind: 'grpc'
  readonly of: 'http' | 'tcp'
  readonly logName: string
  readonly filterStateObjects: readonly string[]
  readonly requestHeaders: readonly string[]
  readonly responseHeaders: readonly string[]
  readonly responseTrailers: readonly string[]
}

export interface OtlpLog extends LogServer {
  readonly kind: 'otlp'
  readonly logName: string
  readonly body: string
  readonly attributes: JsonFields
}
