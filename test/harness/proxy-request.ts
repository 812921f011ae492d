import { Agent, request } from 'node:http'

export interface ProxyReply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

const keepAlive = new Agent({ keepAlive: true, maxSockets: 16 })

/** One request through a sidecar's HTTP proxy port, as an application with `http_proxy` set would send it (RFC 9112 §3.2.2). */
export const requestThroughProxy = (
  proxy: { readonly host: string; readonly port: number },
  url: string,
  options: {
    readonly method?: string
    readonly headers?: Readonly<Record<string, string>>
    readonly body?: string
    readonly timeoutMilliseconds?: number
  } = {},
): Promise<ProxyReply> =>
  new Promise((resolve, reject) => {
    const outgoing = request(
      {
        agent: keepAlive,
        host: proxy.host,
        port: proxy.port,
        method: options.method ?? 'GET',
        path: url,
        headers: { host: new URL(url).host, ...options.headers },
        timeout: options.timeoutMilliseconds ?? 10_000,
      },
      (incoming) => {
        let body = ''
        incoming.setEncoding('utf8')
        incoming.on('data', (text: string) => (body += text))
        incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body }))
        incoming.on('error', reject)
      },
    )
    outgoing.on('timeout', () =>
      outgoing.destroy(new Error(`no answer from ${url} through ${proxy.host}:${proxy.port}`)),
    )
    outgoing.on('error', reject)
    outgoing.end(options.body)
  })
