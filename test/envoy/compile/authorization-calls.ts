import { connect } from 'node:net'
import { once } from 'node:events'
import { requestThroughProxy } from '#test/harness/proxy-request.ts'
import { clientAddress, proxyPort, stageNetwork } from './theatre.ts'

/** Who calls: the service account web of namespace default, or cart of namespace shop. */
export const callers = { web: clientAddress, cart: `${stageNetwork}.61` } as const
export type Caller = keyof typeof callers

export interface HttpCall {
  readonly from?: Caller
  readonly method?: string
  readonly path?: string
  /** One of the names of the service. */
  readonly host?: string
  readonly headers?: Readonly<Record<string, string>>
}

export const describeCall = ({
  from = 'web',
  method = 'GET',
  host = 'server.default',
  path = '/',
  headers = {},
}: HttpCall) => [from, method, host + path, ...Object.entries(headers).map((entry) => entry.join('='))].join(' ')

/** What the server's sidecar answers: 200 is the application, 403 the policy. */
export const callHttp = async ({
  from = 'web',
  method = 'GET',
  host = 'server.default',
  path = '/',
  headers = {},
}: HttpCall) => {
  const place = { host: callers[from], port: proxyPort }
  const { status, body } = await requestThroughProxy(place, `http://${host}${path}`, { method, headers })
  if (status === 403 && body !== 'RBAC: access denied') throw new Error(`403 of somebody else: ${body}`)
  return status
}

/** Opens a connection to a TCP port of the server; whether it answers. */
export const callTcp = async (from: Caller, authority: string): Promise<boolean> => {
  const socket = connect({ host: callers[from], port: proxyPort })
  socket.on('error', () => {}) // an abrupt end is an end
  await once(socket, 'connect')
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n\r\n`)
  await once(socket, 'data')
  socket.write('hello')
  const answered = await new Promise<boolean>((resolve) => {
    socket.once('data', () => resolve(true))
    socket.once('close', () => resolve(false))
  })
  socket.destroy()
  return answered
}
