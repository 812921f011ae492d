import { readFile } from 'node:fs/promises'
import { request } from 'node:http'
import { createServer } from 'node:https'
import type { Server } from 'node:https'
import { createHash, X509Certificate } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { writeOwnCertificate } from '#test/harness/server-certificate.ts'

/** Where browsers reach the plane, and two sites of somebody else: one that shares its registrable domain, and one that shares nothing. */
const hosts = { plane: 'atoll.example.test', sibling: 'evil.example.test', foreign: 'evil.test' } as const
export type Site = keyof typeof hosts

/**
 * HTTPS as docs/hosting.md advises: TLS that ends before the plane, which listens on loopback. The plane is at its own name and, beside others'
 * pages, below /atoll there; what is asked of the other sites is a page that a test has written.
 */
export class Websites {
  /** That of each of the other sites, at any path. */
  page = ''
  /** What was asked of the plane, and what it answered. */
  readonly log: {
    readonly method: string
    readonly path: string
    readonly status: number
    readonly hasSession: boolean
  }[] = []
  readonly #server: Server
  readonly port: number
  /** Of the key of the certificate: what a browser believes. */
  readonly keyHash: string

  private constructor(server: Server, keyHash: string) {
    this.#server = server
    this.port = (server.address() as AddressInfo).port
    this.keyHash = keyHash
  }

  /** `toPlane`: its URL, once it is known. */
  static async serve(folder: string, toPlane: () => string): Promise<Websites> {
    const names = Object.values(hosts).map((value) => ({ type: 'dns' as const, value }))
    const { file, keyFile } = await writeOwnCertificate(folder, 'websites', ...names)
    const cert = await readFile(file)
    const spki = new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' })
    const server = createServer({ cert, key: await readFile(keyFile) })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const made = new Websites(server, createHash('sha256').update(spki).digest('base64'))
    server.on('request', (incoming, outgoing) => {
      if (incoming.headers.host?.split(':')[0] !== hosts.plane) {
        outgoing.setHeader('Content-Type', 'text/html; charset=utf-8').end(made.page)
        return
      }
      const url = `${toPlane()}${(incoming.url ?? '/').replace(/^\/atoll(?=\/)/, '')}`
      const { method, headers } = incoming
      const forwarded = request(url, { ...(method !== undefined && { method }), headers }, (answer) => {
        const [path = ''] = (incoming.url ?? '').split('?', 1)
        const hasSession = headers.cookie?.includes('__Host-atoll_session=') === true
        made.log.push({ method: method ?? '', path, status: answer.statusCode ?? 0, hasSession })
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(outgoing)
      })
      forwarded.on('error', () => outgoing.destroy())
      incoming.pipe(forwarded)
    })
    return made
  }

  url(site: Site): string {
    return `https://${hosts[site]}:${this.port}`
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}
