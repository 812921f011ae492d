import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { connect, type Server, type Socket } from 'node:net'
import { defaultMeshConfig } from '#mesh/config/mesh-config.ts'
import type { Endpoint } from '#mesh/service.ts'
import type { ViewChange } from '#mesh/view.ts'
import { east, TestRoot, west } from '#test/agent/test-pki.ts'
import { EchoApp, type Echo } from '#test/harness/echo-app.ts'
import { requestThroughProxy, type ProxyReply } from '#test/harness/proxy-request.ts'
import { network1, network2 } from '#test/mesh/records.ts'
import { createMember, Stage, type Member, type StageOptions } from './stage.ts'

/** The first three numbers of loopback addresses that no other test uses which runs at the same time, of four at most. */
export const stageNetwork = `127.0.${78 + 50 * (Number(process.env['VITEST_POOL_ID'] ?? 1) - 1)}`

/** Applications are on 127.0.0.1, their sidecars on these. */
export const clientAddress = `${stageNetwork}.1`
export const serverAddress = `${stageNetwork}.2`
export const gatewayAddress = `${stageNetwork}.3`
export const proxyPort = defaultMeshConfig.proxyHttpPort

type StartOptions = Partial<Pick<StageOptions, 'member' | 'certificates' | 'drainSeconds' | 'issuers' | 'methods'>>

/** What tests with stages need, and what has to be closed after each. */
export class Theatre {
  readonly root: TestRoot
  readonly east: Member
  readonly west: Member
  readonly #closing: (() => unknown)[] = []

  private constructor(root: TestRoot, eastern: Member, western: Member) {
    this.root = root
    this.east = eastern
    this.west = western
  }

  static async open(): Promise<Theatre> {
    const root = await TestRoot.create(Date.now())
    return new Theatre(root, await createMember(root, east, network1), await createMember(root, west, network2))
  }

  async clear(): Promise<void> {
    for (const close of this.#closing.splice(0).reverse()) await close()
  }

  /** Closes something else with the rest. */
  onClear(close: () => unknown): void {
    this.#closing.push(close)
  }

  /** A stage whose Envoys may refuse something. */
  async startFaulty(yaml: string, options: StartOptions = {}): Promise<Stage> {
    const mesh = { root: this.root, member: this.east, members: [this.east, this.west] }
    const stage = await Stage.start(yaml, { ...mesh, ...options })
    this.#closing.push(() => stage.stop())
    return stage
  }

  /** A stage whose Envoys have taken everything. */
  async start(yaml: string, options: StartOptions = {}): Promise<Stage> {
    const stage = await this.startFaulty(yaml, options)
    const refused = await stage.untilDelivered()
    if (refused.length > 0) throw new Error(refused.join('\n'))
    return stage
  }

  async startApp(name: string): Promise<EchoApp> {
    const app = await EchoApp.start(name)
    this.#closing.push(() => app.stop())
    return app
  }

  /** Lets a server listen on 127.0.0.1; its port. */
  async listen(server: Server): Promise<number> {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    this.#closing.push(() => new Promise((resolve) => server.close(resolve)))
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    return address.port
  }

  async dial(host: string, port: number): Promise<Socket> {
    const socket = connect({ host, port })
    await once(socket, 'connect')
    return this.#keep(socket)
  }

  /** Opens a tunnel through the client's HTTP proxy port (RFC 9110 §9.3.6). */
  async openTunnel(authority: string): Promise<{ readonly status: number; readonly socket: Socket }> {
    const outgoing = request({ host: clientAddress, port: proxyPort, method: 'CONNECT', path: authority, agent: false })
    outgoing.end()
    const [response, socket] = (await once(outgoing, 'connect')) as [IncomingMessage, Socket]
    return { status: response.statusCode ?? 0, socket: this.#keep(socket) }
  }

  #keep(socket: Socket): Socket {
    socket.on('error', () => {}) // an abrupt end is an end
    this.#closing.push(() => socket.destroy())
    return socket
  }
}

/** A scene's catalogs with every endpoint changed. */
export const withEndpoints = (changes: readonly ViewChange[], varied: Partial<Endpoint>): ViewChange[] =>
  changes.map((change) =>
    change.kind === 'catalog' && change.value
      ? {
          ...change,
          value: { ...change.value, endpoints: change.value.endpoints.map((each) => ({ ...each, ...varied })) },
        }
      : change,
  )

/** A request through the client's HTTP proxy port. */
export const get = (url: string, headers: Readonly<Record<string, string>> = {}): Promise<ProxyReply> =>
  requestThroughProxy({ host: clientAddress, port: proxyPort }, url, { headers })

export const post = (url: string): Promise<ProxyReply> =>
  requestThroughProxy({ host: clientAddress, port: proxyPort }, url, { method: 'POST' })

/** A GET, for what an echo application saw of it. */
export const getEcho = async (url: string, headers: Readonly<Record<string, string>> = {}): Promise<Echo> => {
  const { status, body } = await get(url, headers)
  if (status !== 200) throw new Error(`${status} ${body}`)
  return JSON.parse(body) as Echo
}

/** Sends a text and gives what comes back until the other side closes. */
export const exchange = (socket: Socket, text: string): Promise<string> =>
  new Promise((resolve) => {
    let received = ''
    socket.on('data', (data) => (received += String(data)))
    socket.once('close', () => resolve(received))
    socket.write(text)
  })

/** Sends a text and gives the first that comes back. */
export const ask = async (socket: Socket, text: string): Promise<string> => {
  socket.write(text)
  const [data] = (await once(socket, 'data')) as [Buffer]
  return data.toString()
}
