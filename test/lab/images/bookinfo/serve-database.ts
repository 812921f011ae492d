import { createServer, type Socket } from 'node:net'

/** Serves the ratings of a database until it is asked to end. It logs a line a connection. */
export const serveDatabase = (
  port: number,
  ratings: Readonly<Record<string, number>>,
  isAsked: (socket: Socket) => Promise<unknown>,
): void => {
  const server = createServer((socket) => {
    console.log(`connection from ${socket.remoteAddress}`)
    socket.on('error', (error) => console.log(error))
    void isAsked(socket).then(() => socket.end(JSON.stringify(ratings)))
  })
  server.listen(port, '0.0.0.0', () => console.log(`Server listening on ${port}`))
  process.once('SIGTERM', () => process.exit(0))
}
