import { createServer } from 'node:http'
import { Server as NetServer } from 'node:net'
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

/** After it nobody calls any more who knows that this pod ends. */
const untilWithdrawnMs = 3000

process.once('SIGTERM', () => {
  if (process.env['ENDS'] === 'at-once') process.exit(0)
  isEnding = true
  // Not HTTP's: that closes connections which idle, also one on which a request is on its way.
  NetServer.prototype.close.call(server, () => process.exit(0))
  setTimeout(() => server.closeIdleConnections(), untilWithdrawnMs)
})
