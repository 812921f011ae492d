import { request as requestHttp, type OutgoingHttpHeaders } from 'node:http'
import { request as requestHttps } from 'node:https'
import { text } from 'node:stream/consumers'
import type { TLSSocket } from 'node:tls'
import { readProductPage, type ProductPage } from '../mesh/product-page.ts'

export interface Visit {
  /** Of a load balancer. */
  readonly address: string
  /** Port 443 for the name of this server; absent = plaintext on port 80. */
  readonly ca?: string
  readonly host: string
  readonly path: string
  readonly method?: 'GET' | 'POST'
  readonly headers?: OutgoingHttpHeaders
  readonly body?: string
}

export interface VisitAnswer {
  readonly status: number
  readonly body: string
  readonly cookie: string | undefined
  /** Of the server's certificate. */
  readonly fingerprint: string | undefined
}

/** What somebody outside is answered, each on a connection of their own. */
export const visit = ({ address, ca, host, path, method = 'GET', headers, body }: Visit): Promise<VisitAnswer> =>
  new Promise((resolve, reject) => {
    const options = { host: address, path, method, headers: { ...headers, host }, agent: false, timeout: 20_000 }
    const request = ca === undefined ? requestHttp(options) : requestHttps({ ...options, ca, servername: host })
    request.on('error', reject)
    request.on('timeout', () => request.destroy(new Error('nobody answers')))
    request.on('response', (response) => {
      const certificate = ca === undefined ? undefined : (response.socket as TLSSocket).getPeerCertificate()
      text(response).then(
        (read) =>
          resolve({
            status: response.statusCode ?? 0,
            body: read,
            cookie: response.headers['set-cookie']?.[0]?.split(';')[0],
            fingerprint: certificate?.fingerprint256,
          }),
        reject,
      )
    })
    request.end(body)
  })

/** The product page as somebody outside sees it so many times, signed in as this user. */
export const visitPages = async (address: string, count: number, user?: string): Promise<ProductPage[]> => {
  const cookie = user === undefined ? undefined : await signIn(address, user)
  const headers = cookie === undefined ? {} : { cookie }
  const visits = Array.from({ length: count }, () =>
    visit({ address, host: 'bookinfo.example', path: '/productpage', headers }),
  )
  return (await Promise.all(visits)).map(({ body }) => readProductPage(body))
}

const signIn = async (address: string, user: string): Promise<string | undefined> => {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const login = { address, host: 'bookinfo.example', path: '/login', method: 'POST', headers } as const
  return (await visit({ ...login, body: `username=${user}` })).cookie
}
