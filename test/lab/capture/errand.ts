/** What a pod is asked to do: as a client, or with an application of its that comes and goes. */
export type Errand =
  | { readonly kind: 'http'; readonly url: string; readonly headers?: Readonly<Record<string, string>> }
  | { readonly kind: 'http2'; readonly url: string; readonly authority: string; readonly path: string }
  /** Opens a connection, whose number is the answer. */
  | { readonly kind: 'open'; readonly host: string; readonly port: number }
  /** Says something on a connection ("" nothing) and waits for what comes back; "" when it is closed instead. */
  | { readonly kind: 'say'; readonly connection: number; readonly text: string }
  | { readonly kind: 'serve' | 'end'; readonly app: LateApp }

/** Applications that listen only from when they are told to; each has a port of its own. */
export type LateApp = keyof typeof latePorts
export const latePorts = { http: 8090, https: 8443, tcp: 9090, grpc: 9091 } as const

export interface Answer {
  /** 0 when it was no HTTP, or failed. */
  readonly status: number
  readonly body: string
  /** `grpc-status` */
  readonly trailer?: string
  readonly error?: string
}

/** Ports of every pod's application, on all its addresses. */
export const puppetPorts = { http: 8080, http2: 8081, echo: 9000, greeter: 9001 } as const
