import { request } from 'node:http'

/** What a listener of this machine answers for a host, over a connection of its own. */
export const statusOf = (port: number, host: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, headers: { host }, agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    outgoing.on('error', reject)
    outgoing.end()
  })
