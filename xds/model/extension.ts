/** What a proxy runs on each request that may come in, beside what Atoll has. */
export interface Extension {
  /** The keys of the objects that say so. */
  readonly objects: readonly string[]
  /** Absent = it can not be run: no request comes in. */
  readonly runs?: Script | Processor
}

interface Script {
  readonly kind: 'lua'
  readonly code: string
}

/** A server that is told of requests and answers, and may change them. */
export interface Processor {
  readonly kind: 'ext-proc'
  /** Its EnvoyCluster. */
  readonly upstream: string
  readonly authority: string
  /** Of each of its answers. */
  readonly timeoutMs: number
  readonly failsOpen: boolean
  readonly statusOnError?: number
  readonly told: {
    readonly requestHeaders: boolean
    readonly responseHeaders: boolean
    readonly requestBody: BodyMode
    readonly responseBody: BodyMode
  }
}

export type BodyMode = 'NONE' | 'STREAMED' | 'BUFFERED' | 'BUFFERED_PARTIAL'
