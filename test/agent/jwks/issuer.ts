import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import { writeOwnCertificate } from '#test/harness/server-certificate.ts'
import { temporaryDirectory } from '../temporary-directory.ts'

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** An HTTPS server for "issuer.example" and "localhost" on this machine, which answers what a test says. */
export const startIssuer = async (handle: Handler) => {
  const folder = temporaryDirectory()
  const names = ['issuer.example', 'localhost'].map((value) => ({ type: 'dns' as const, value }))
  const { file, keyFile } = await writeOwnCertificate(folder, 'issuer', ...names)
  const ca = readFileSync(file, 'utf8')
  const requests: string[] = []
  const issuer = { handle }
  const server = createServer({ cert: ca, key: readFileSync(keyFile) }, (request, response) => {
    requests.push(`${request.method} ${request.url}`)
    issuer.handle(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { issuer, ca, port, requests, server, origin: `https://issuer.example:${port}` }
}

/** A JWK Set of one new key of this name. */
export const createJwks = (kid: string): string => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid, use: 'sig' }] })
}
