import { createServer, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { fetchPlane } from '#cli/fetch-plane.ts'

let open: ServerResponse | undefined
const server = createServer((_request, response) => {
  open = response
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write('data: ')
})
beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

it('reads what streams piece by piece, however characters are cut', async () => {
  const { port } = server.address() as AddressInfo
  const answer = await fetchPlane(`http://127.0.0.1:${port}/`, {
    method: 'GET',
    headers: {},
    streams: true,
  })
  expect(answer.status).toBe(200)
  const [first, second] = Buffer.from('é')
  const pieces = answer.chunks?.()[Symbol.asyncIterator]()
  expect(await pieces?.next()).toMatchObject({ value: 'data: ' })
  open?.write(Buffer.of(first ?? 0))
  expect(await pieces?.next()).toMatchObject({ value: '' })
  open?.end(Buffer.of(second ?? 0))
  expect(await pieces?.next()).toMatchObject({ value: 'é' })
  expect(await pieces?.next()).toMatchObject({ done: true })
})
