/** What a pod is asked to do as a client. */
export type Errand =
  | { readonly kind: 'http'; readonly url: string; readonly headers?: Readonly<Record<string, string>> }
  | { readonly kind: 'http2'; readonly url: string; readonly authority: string; readonly path: string }
  /** Opens a connection, whose number is the answer. */
  | { readonly kind: 'open'; readonly host: string; readonly port: number }
  /** Says something on a connection ("" nothing) and waits for what comes back; "" when it is closed instead. */
  | { readonly kind: 'say'; readonly connection: number; readonly text: string }

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
