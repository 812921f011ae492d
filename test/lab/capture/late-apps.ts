import { readFile } from 'node:fs/promises'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer as createHttp2Server, type Http2Server } from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
import { createServer, type Server } from 'node:net'
import { writeServerCertificate } from '#test/harness/server-certificate.ts'
import { latePorts, type Answer, type LateApp } from './errand.ts'

const done: Answer = { status: 0, body: '' }

/** Says what it was asked for; /moved leads elsewhere. */
const respond: RequestListener = ({ url, method, socket: { remoteAddress } }, response) => {
  if (url === '/moved') response.writeHead(302, { location: '/elsewhere' })
  response.end(JSON.stringify({ url, method, remoteAddress }))
}

/** What grpc.health.v1.Health/Check answers: a message with the field `status`, SERVING. */
const serving = Buffer.from([0, 0, 0, 0, 2, 8, 1])

const createHealthServer = (): Http2Server => {
  const server = createHttp2Server()
  server.on('stream', (stream, { ':path': path }) => {
    const isCheck = path === '/grpc.health.v1.Health/Check'
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': isCheck ? '0' : '12' }))
    stream.end(isCheck ? serving : undefined)
  })
  return server
}

/** Applications of a pod that are not there from the beginning. */
export class LateApps {
  readonly #folder: string
  readonly #running = new Map<LateApp, Server>()

  /** `folder`: for the key of one that speaks TLS. */
  constructor(folder: string) {
    this.#folder = folder
  }

  async serve(app: LateApp): Promise<Answer> {
    const server = await this.#make(app)
    this.#running.set(app, server)
    await new Promise<void>((resolve) => server.listen(latePorts[app], '0.0.0.0', resolve))
    return done
  }

  async end(app: LateApp): Promise<Answer> {
    const server = this.#running.get(app)
    if (!server) throw new Error(`${app} is not there`)
    this.#running.delete(app)
    await new Promise((resolve) => server.close(resolve))
    return done
  }

  async #make(app: LateApp): Promise<Server> {
    switch (app) {
      case 'http':
        return createHttpServer(respond)
      case 'https': {
        const { file, keyFile } = await writeServerCertificate(this.#folder, '192.0.2.1')
        return createHttpsServer({ cert: await readFile(file), key: await readFile(keyFile) }, respond)
      }
      case 'tcp':
        return createServer((socket) => socket.on('error', () => {}).resume())
      case 'grpc':
        return createHealthServer()
    }
  }
}
