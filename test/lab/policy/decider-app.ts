import { createServer } from 'node:http'

/** An application that others ask: who may call, which is whoever has an `x-token` of `good`, and at /keys for the text KEYS. */
createServer((incoming, response) => {
  if (incoming.url === '/keys') return response.end(process.env['KEYS'])
  return response.writeHead(incoming.headers['x-token'] === 'good' ? 200 : 403).end()
}).listen(8080, '0.0.0.0')

process.once('SIGTERM', () => process.exit(0))
