import { once } from 'node:events'
import { createServer, get, type Server, type ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { keepConnectionsFair } from '#agent/http/fair-connections.ts'
import { listen } from '#agent/http/listen.ts'
import { StatusServer } from '#agent/http/status-server.ts'
import { untilHolds } from '../until-holds.ts'

const open: Socket[] = []
let server: Server | undefined
afterEach(() => {
  for (const socket of open.splice(0)) socket.destroy()
  server?.closeAllConnections()
  server?.close()
  server = undefined
})

/** What a client says whose connection was ended. */
const ended = /socket hang up|ECONNRESET/
/** Greedy and modest peers have loopback addresses of their own. */
const dial = async (port: number, localAddress: string): Promise<Socket> => {
  const socket = connect({ host: '127.0.0.1', port, localAddress })
  socket.on('error', () => {}) // to be ended is what is tested
  socket.resume()
  open.push(socket)
  await once(socket, 'connect')
  return socket
}
const ask = (port: number, path = '/', localAddress = '127.0.0.1') =>
  new Promise<number | undefined>((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, localAddress, agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode)
    }).once('error', reject)
  })

/** Answers to `/wait` wait until they are let go. */
const start = async (limit: number) => {
  const waiting: ServerResponse[] = []
  server = createServer((request, response) => {
    if (request.url === '/wait') waiting.push(response)
    else response.end()
  })
  keepConnectionsFair(server, limit)
  return { port: await listen(server, { host: '127.0.0.1', port: 0 }), waiting }
}
const untilWaiting = (waiting: readonly unknown[], count: number) =>
  untilHolds(() => expect(waiting).toHaveLength(count))

describe('keepConnectionsFair', () => {
  it('ends the oldest silent connection of the address that has the most', async () => {
    const { port } = await start(3)
    const modest = await dial(port, '127.0.0.1')
    const greedy = [await dial(port, '127.0.0.2'), await dial(port, '127.0.0.2'), await dial(port, '127.0.0.2')]
    await untilHolds(() => expect(greedy.map(({ destroyed }) => destroyed)).toEqual([true, false, false]))
    expect(await ask(port, '/', '127.0.0.3')).toBe(200)
    await untilHolds(() => expect(greedy.map(({ destroyed }) => destroyed)).toEqual([true, true, false]))
    modest.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    const [answer] = (await once(modest, 'data')) as [Buffer]
    expect(String(answer)).toMatch(/^HTTP\/1.1 200/)
  })

  it('ends no request of somebody who has no more', async () => {
    const { port, waiting } = await start(2)
    const asked = [ask(port, '/wait', '127.0.0.2'), ask(port, '/wait', '127.0.0.2')]
    await untilWaiting(waiting, 2)
    await expect(ask(port, '/', '127.0.0.2')).rejects.toThrow(ended)
    for (const response of waiting) response.end()
    expect(await Promise.all(asked)).toEqual([200, 200])
  })

  it('ends the oldest request of somebody who has more, where all have one', async () => {
    const { port, waiting } = await start(2)
    const asked = Promise.allSettled([ask(port, '/wait', '127.0.0.2'), ask(port, '/wait', '127.0.0.2')])
    await untilWaiting(waiting, 2)
    expect(await ask(port, '/', '127.0.0.3')).toBe(200)
    await untilHolds(() => expect(waiting[0]?.destroyed).toBe(true))
    for (const response of waiting) response.end()
    expect((await asked).map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  })
})

describe('StatusServer', () => {
  it('answers probes while a pod holds more connections than there may be, and ends silent ones', async () => {
    const status = new StatusServer({ readiness: () => ({ ready: true }), metrics: async () => '' })
    const port = await status.listen({ host: '127.0.0.1', port: 0 })
    const held = await Promise.all(Array.from({ length: 150 }, () => dial(port, '127.0.0.2')))
    expect(await ask(port, '/healthz')).toBe(200)
    await untilHolds(() => expect(held.filter(({ destroyed }) => !destroyed)).toEqual([]))
    await status.close()
  })
})
