import { readFile } from 'node:fs/promises'
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { setTimeout as delay } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import type { ServerCertificate } from '#test/harness/server-certificate.ts'

/** Whom Istio's samples call outside of the mesh. */
export const outsideNames = ['edition.cnn.com', 'httpbin.org', 'www.google.com', 'www.googleapis.com'] as const

const book = {
  authors: ['William Shakespeare'],
  publishedDate: '2013',
  pageCount: 72,
  publisher: 'From outside',
}

/** Stands in for them on one address, by the names of the certificate: the ports 80 and 443. */
export class OutsideServers {
  readonly #servers: readonly Server[]

  private constructor(servers: readonly Server[]) {
    this.#servers = servers
  }

  static async start(host: string, { file, keyFile }: ServerCertificate): Promise<OutsideServers> {
    const tls = { cert: await readFile(file), key: await readFile(keyFile) }
    const servers = [createHttpServer(listener), createHttpsServer(tls, listener)]
    await Promise.all(
      servers.map(
        (server, index) =>
          new Promise<void>((resolve, reject) => {
            server.once('error', reject).listen(index === 0 ? 80 : 443, host, resolve)
          }),
      ),
    )
    return new OutsideServers(servers)
  }

  stop(): void {
    for (const server of this.#servers) {
      server.close()
      server.closeAllConnections()
    }
  }
}

const listener = (request: IncomingMessage, response: ServerResponse): void => void answer(request, response)

const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
  const { host = '' } = request.headers
  const isTls = (request.socket as TLSSocket).encrypted === true
  const path = request.url ?? '/'
  if (path.startsWith('/delay/')) await delay(Number(path.slice('/delay/'.length)) * 1000)
  if (host.startsWith('edition.cnn.com') && !isTls) {
    response.writeHead(301, { location: `https://edition.cnn.com${path}` }).end()
    return
  }
  const body =
    host.startsWith('www.googleapis.com') && isTls ? { items: [{ volumeInfo: book }] } : { host, isTls, path }
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
