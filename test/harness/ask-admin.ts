import { request } from 'node:http'

/** What Envoy's admin interface, which listens at a socket, answers. */
export const askAdmin = (socketPath: string, path: string, method = 'GET'): Promise<string> =>
  new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, path, method, agent: false }, (incoming) => {
      let body = ''
      incoming.setEncoding('utf8')
      incoming.on('data', (text: string) => (body += text))
      incoming.on('end', () => resolve(body))
      incoming.on('error', reject)
    })
    outgoing.on('error', reject)
    outgoing.end()
  })
