import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server, Socket } from 'node:net'

interface Connection {
  readonly socket: Socket
  readonly address: string
  isBusy: boolean
}

/**
 * Keeps a server that anybody can reach from being used up by one: a connection too many ends one of the address that has the most, not the
 * newcomer. That is the one longest without a request, or where all have one the oldest.
 */
export const keepConnectionsFair = (server: Server, limit: number): void => {
  /** By the peer's address and port, which a connection and the TLS on it have in common; those just used are last. */
  const connections = new Map<string, Connection>()

  server.on('connection', (socket: Socket) => {
    const { remoteAddress: address } = socket
    // It has ended already.
    if (address === undefined) return
    const key = toKey(socket)
    const connection = { socket, address, isBusy: false }
    connections.set(key, connection)
    socket.once('close', () => {
      if (connections.get(key)?.socket === socket) connections.delete(key)
    })
    if (connections.size <= limit) return
    const ended = chooseOne([...connections.values()], connection)
    connections.delete(toKey(ended.socket))
    ended.socket.destroy()
  })
  server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    const key = toKey(socket)
    const connection = connections.get(key)
    if (!connection) return
    connection.isBusy = true
    response.once('close', () => {
      connection.isBusy = false
      if (connections.delete(key)) connections.set(key, connection)
    })
  })
}

const toKey = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`

const chooseOne = (connections: readonly Connection[], newcomer: Connection): Connection => {
  const counts = new Map<string, number>()
  for (const { address } of connections) counts.set(address, (counts.get(address) ?? 0) + 1)
  const most = Math.max(...counts.values())
  const ofMost = connections.filter(({ address }) => counts.get(address) === most)
  const others = ofMost.filter((connection) => connection !== newcomer)
  const idle = others.find(({ isBusy }) => !isBusy)
  if (idle) return idle
  // All are at work: nobody ends those of somebody who has no more than he has.
  return counts.get(newcomer.address) === most ? newcomer : (others[0] ?? newcomer)
}
