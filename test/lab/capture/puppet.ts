/**
 * The program of a pod in these tests: an application with ports of every kind, and a client that does what it is asked over a Unix
 * domain socket (which network namespaces don't part) or a TCP port: `node puppet.ts <socket or port> <name> <scratch folder>`.
 */
import { createServer as createHttpServer, request } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { EchoApp } from '#test/harness/echo-app.ts'
import { puppetPorts, type Answer, type Errand } from './errand.ts'
import { LateApps } from './late-apps.ts'

const [place = '', name = '', folder = ''] = process.argv.slice(2)
const lateApps = new LateApps(folder)

const timeoutMs = 15_000
const everywhere = '0.0.0.0'

const sendHttp = ({ url, headers = {} }: Extract<Errand, { kind: 'http' }>): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const outgoing = request(url, { headers, agent: false, timeout: timeoutMs }, (incoming) => {
      let body = ''
      incoming.setEncoding('utf8')
      incoming.on('data', (text: string) => (body += text))
      incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, body }))
      incoming.on('error', reject)
    })
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer')))
    outgoing.on('error', reject)
    outgoing.end()
  })

/** A request as gRPC makes it: HTTP/2 in plaintext from the first byte, `te: trailers`, the status in a trailer. */
const sendHttp2 = ({ url, authority, path }: Extract<Errand, { kind: 'http2' }>): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const session = connectHttp2(url)
    session.on('error', reject)
    const stream = session.request({ ':method': 'POST', ':path': path, ':authority': authority, te: 'trailers' })
    let body = ''
    let status = 0
    let trailer = ''
    stream.setEncoding('utf8')
    stream.on('response', (headers) => (status = headers[':status'] ?? 0))
    stream.on('trailers', (trailers) => (trailer = String(trailers['grpc-status'] ?? '')))
    stream.on('data', (text: string) => (body += text))
    stream.on('error', reject)
    stream.on('end', () => {
      session.close()
      resolve({ status, body, trailer })
    })
    stream.end('hello')
  })

const connections: Socket[] = []

const open = ({ host, port }: Extract<Errand, { kind: 'open' }>): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host, port })
    socket.on('error', reject)
    socket.once('connect', () => resolve({ status: 0, body: String(connections.push(socket) - 1) }))
  })

const say = ({ connection, text }: Extract<Errand, { kind: 'say' }>): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const socket = connections[connection]
    if (!socket) throw new Error(`there is no connection ${connection}`)
    if (socket.destroyed) return resolve({ status: 0, body: '' })
    const answer = (body: string) => {
      socket.pause()
      resolve({ status: 0, body })
    }
    socket.setTimeout(timeoutMs, () => reject(new Error('no answer')))
    socket.once('data', (data) => answer(data.toString()))
    socket.once('close', () => answer(''))
    if (text !== '') socket.write(text)
    socket.resume()
  })

const run = (errand: Errand): Promise<Answer> => {
  switch (errand.kind) {
    case 'http':
      return sendHttp(errand)
    case 'http2':
      return sendHttp2(errand)
    case 'open':
      return open(errand)
    case 'say':
      return say(errand)
    case 'serve':
      return lateApps.serve(errand.app)
    case 'end':
      return lateApps.end(errand.app)
  }
}

const grpcServer = createHttp2Server()
grpcServer.on('stream', (stream, headers) => {
  stream.respond({ ':status': 200 }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
  stream.end(JSON.stringify({ app: name, path: headers[':path'], caller: String(headers['x-forwarded-client-cert']) }))
})
const quiet = (socket: Socket) => socket.on('error', () => {})
const echoServer = createServer((socket) => quiet(socket).pipe(socket))
const greeter = createServer((socket) => quiet(socket).write(`${name} speaks first`))

const listen = (server: Server, port: number) =>
  new Promise<void>((resolve) => server.listen(port, everywhere, resolve))

await EchoApp.start(name, puppetPorts.http, everywhere)
await listen(grpcServer, puppetPorts.http2)
await listen(echoServer, puppetPorts.echo)
await listen(greeter, puppetPorts.greeter)

createHttpServer((incoming, response) => {
  let text = ''
  incoming.setEncoding('utf8')
  incoming.on('data', (chunk: string) => (text += chunk))
  incoming.on('end', () => {
    run(JSON.parse(text) as Errand).then(
      (answer) => response.end(JSON.stringify(answer)),
      (error: unknown) => response.end(JSON.stringify({ status: 0, body: '', error: String(error) })),
    )
  })
}).listen(place, () => process.stdout.write('ready\n'))
