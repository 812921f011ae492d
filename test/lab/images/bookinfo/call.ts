import { request as send, type IncomingHttpHeaders } from 'node:http'

/** What an application passes on from the request that it answers to those that it makes for it, as Istio's Bookinfo does. */
const forwardedHeaders = [
  'x-request-id',
  'x-ot-span-context',
  'x-datadog-trace-id',
  'x-datadog-parent-id',
  'x-datadog-sampling-priority',
  'traceparent',
  'tracestate',
  'x-cloud-trace-context',
  'grpc-trace-bin',
  'x-b3-traceid',
  'x-b3-spanid',
  'x-b3-parentspanid',
  'x-b3-sampled',
  'x-b3-flags',
  'sw8',
  'user-agent',
  'cookie',
  'authorization',
  'jwt',
] as const

export const toForwardedHeaders = (headers: IncomingHttpHeaders): Record<string, string> =>
  Object.fromEntries(
    forwardedHeaders.flatMap((name) => {
      const value = headers[name]
      return typeof value === 'string' ? [[name, value]] : []
    }),
  )

export interface Reply {
  readonly status: number
  /** Parsed JSON; undefined when it is none. */
  readonly body: unknown
}

/** A GET of an application by its service's name, on a connection of its own; undefined when there is no answer in time. */
export const call = (
  service: 'details' | 'ratings' | 'reviews',
  id: string,
  headers: Readonly<Record<string, string>>,
  timeoutMilliseconds: number,
): Promise<Reply | undefined> =>
  new Promise((resolve) => {
    const { SERVICES_DOMAIN: domain, [`${service.toUpperCase()}_HOSTNAME`]: name = service } = process.env
    const host = domain === undefined ? name : `${name}.${domain}`
    const port = process.env[`${service.toUpperCase()}_SERVICE_PORT`] ?? '9080'
    const outgoing = send(`http://${host}:${port}/${service}/${id}`, { headers, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (part: string) => (text += part))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: parseJson(text) }))
      response.on('error', () => resolve(undefined))
    })
    outgoing.setTimeout(timeoutMilliseconds, () => outgoing.destroy(new Error('no answer in time')))
    outgoing.on('error', (error) => {
      console.log(`${service}: ${error.message}`)
      resolve(undefined)
    })
    outgoing.end()
  })

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
