/**
 * Small programs for tests of capture, run inside a network namespace by the node of the tests:
 *
 *     connection-echo.mjs listen 80,15001     accepts on these ports, and tells each connection which one it came to
 *     connection-echo.mjs http 15000 503,200   answers requests with these statuses, the last one for ever, and prints the requests
 *     connection-echo.mjs connect HOST PORT [SOURCE]   prints what it was told, or why there is no connection
 */
import { createServer as createHttpServer } from 'node:http'
import { createServer, connect } from 'node:net'

const [mode, ...args] = process.argv.slice(2)
if (mode === 'listen') {
  const ports = (args[0] ?? '').split(',').map(Number)
  await Promise.all(
    ports.map(
      (port) =>
        new Promise((resolve) => {
          createServer((socket) => {
            socket.on('error', () => {})
            socket.end(String(port))
          }).listen(port, '::', () => resolve(undefined))
        }),
    ),
  )
  console.log('listening')
} else if (mode === 'http') {
  const [port, statuses = ''] = args
  const left = statuses.split(',').map(Number)
  createHttpServer((request, response) => {
    console.log(`${request.method} ${request.url}`)
    response.writeHead((left.length > 1 ? left.shift() : left[0]) ?? 500)
    response.end('done')
  }).listen(Number(port), '127.0.0.1', () => console.log('listening'))
} else {
  const [host = '', port, localAddress] = args
  const socket = connect({ host, port: Number(port), ...(localAddress && { localAddress }) })
  socket.setTimeout(5000, () => socket.destroy(new Error('timeout')))
  let text = ''
  socket.on('data', (data) => (text += data))
  socket.on('error', (error) => console.log('code' in error ? error.code : error.message))
  socket.on('end', () => console.log(text))
}
