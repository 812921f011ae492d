import { createServer } from 'node:http2'

/** Answers each call of gRPC with the message that it came with, on PORT. */
const server = createServer()
server.on('stream', (stream) => {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
  stream.on('error', () => {}) // a caller that is gone
  stream.pipe(stream)
})
server.listen(Number(process.env['PORT'] ?? 9000), '0.0.0.0')
// As a container's first process it has to ask for the signal: nothing else ends it.
process.once('SIGTERM', () => process.exit(0))
