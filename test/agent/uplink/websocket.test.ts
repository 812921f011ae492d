import { writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { connect, type AddressInfo, type Server } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { WebSocketServer, type WebSocket } from 'ws'
import { issueLeaf, toAgentNames } from '#agent/identity/issue-leaf.ts'
import { postJoin } from '#agent/join/post-join.ts'
import { toPlaneConnection, type PlaneConnection } from '#agent/plane-connection.ts'
import { createWebSocketOpener } from '#agent/uplink/websocket.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { createIntermediate, domain, east, TestRoot } from '../test-pki.ts'
import { untilHolds } from '../until-holds.ts'

const hostname = 'plane.east.clusters.td.example'

const listen = async (server: Server): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

/** A plane behind TLS of a private authority, reachable only through a proxy. */
const createSecurePlane = async () => {
  const now = Date.now()
  const root = await TestRoot.create(now)
  const intermediate = await createIntermediate(root, east)
  const leaf = await issueLeaf(intermediate, { dnsNames: [hostname], usages: toAgentNames(east, domain).usages }, now)
  const sockets: WebSocket[] = []
  const plane = createHttpsServer({ cert: leaf.chainPem, key: leaf.privateKeyPem }, (_request, response) => {
    response.writeHead(503)
    response.end()
  })
  const webSockets = new WebSocketServer({ server: plane })
  webSockets.on('connection', (socket) => {
    sockets.push(socket)
    socket.on('message', (data) => socket.send(`heard ${Buffer.from(data as Buffer).toString()}`))
  })
  const port = await listen(plane)

  const tunnels: string[] = []
  const proxy = createHttpServer()
  proxy.on('connect', (request, client, head) => {
    tunnels.push(request.url ?? '')
    const server = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      server.write(head)
      server.pipe(client).pipe(server)
    })
    for (const socket of [client, server]) socket.on('error', () => socket.destroy())
  })
  const proxyUrl = `http://127.0.0.1:${await listen(proxy)}`
  const planeCaFile = join(temporaryDirectory(), 'ca.pem')
  writeFileSync(planeCaFile, root.pem)
  return { plane: `https://${hostname}`, proxyUrl, planeCaFile, tunnels, sockets }
}

const open = (connection: PlaneConnection) => {
  const events: string[] = []
  const socket = createWebSocketOpener(
    connection,
    'mesh/1',
  )({
    onOpen: () => events.push('open'),
    onText: (text) => events.push(text),
    onClose: (reason) => events.push(`closed: ${reason}`),
  })
  onTestFinished(() => socket.close('the test is over'))
  return { socket, events }
}

describe('the way to the plane', () => {
  test('leads through a proxy to a plane of a private authority', async () => {
    const { plane, planeCaFile, proxyUrl, tunnels } = await createSecurePlane()
    const { socket, events } = open(toPlaneConnection({ plane, planeCaFile }, { HTTPS_PROXY: proxyUrl }))
    await untilHolds(() => expect(events).toEqual(['open']))
    let sent = false
    socket.send('hello', () => {
      sent = true
    })
    await untilHolds(() => expect(events).toEqual(['open', 'heard hello']))
    expect(sent).toBe(true)
    expect(tunnels).toEqual([`${hostname}:443`])
  })

  test('ends where the authority is not known', async () => {
    const { plane, proxyUrl } = await createSecurePlane()
    const { events } = open(toPlaneConnection({ plane, proxyUrl }, {}))
    await untilHolds(() => expect(events).toEqual([expect.stringMatching(/^closed: .*certificate/)]))
  })

  test('tells a plane that does not know the mesh from one that is away', async () => {
    const plane = createHttpServer()
    plane.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n'))
    const { events } = open(toPlaneConnection({ plane: `http://127.0.0.1:${await listen(plane)}` }, {}))
    await untilHolds(() => expect(events).toEqual(['closed: the plane at this address does not know the mesh']))
  })

  test('is the one of a join request too', async () => {
    const { plane, planeCaFile, proxyUrl, tunnels } = await createSecurePlane()
    const request = { token: 't', replica: 'r', csrPem: 'c', identityKeyPem: 'k', proof: 'p' }
    const connection = toPlaneConnection({ plane, planeCaFile, proxyUrl }, {})
    await expect(postJoin(connection, request)).rejects.toMatchObject({ code: 'unreachable', message: /503/ })
    expect(tunnels).toHaveLength(1)
  })

  test.each([
    ['longer than any message', 'x'.repeat(2 * 1024 * 1024)],
    ['binary', Buffer.from('{}')],
  ])('something %s ends the connection', async (_what, data) => {
    const { plane, planeCaFile, proxyUrl, sockets } = await createSecurePlane()
    const { events } = open(toPlaneConnection({ plane, planeCaFile, proxyUrl }, {}))
    await untilHolds(() => expect(events).toEqual(['open']))
    sockets[0]?.send(data)
    await untilHolds(() => expect(events).toEqual(['open', expect.stringMatching(/^closed/)]))
  })
})
