import { createServer } from 'node:http'
import { hostname } from 'node:os'

// Answers with its cluster and its pod. Each request takes a moment, so that there is always one in hand when the application is told to end.
// ENDS: `in-order` or `at-once`.

const workMs = 50
let isEnding = false

const server = createServer((_incoming, response) => {
  setTimeout(() => {
    if (isEnding) response.setHeader('connection', 'close')
    response.end(`${process.env['CLUSTER']}/${hostname()}`)
  }, workMs)
})
// Peers close what idles, not the application: else both sides might use a connection at the same time.
server.keepAliveTimeout = 0
server.listen(8080, '0.0.0.0')

process.once('SIGTERM', () => {
  if (process.env['ENDS'] === 'at-once') process.exit(0)
  isEnding = true
  server.close(() => process.exit(0))
})
