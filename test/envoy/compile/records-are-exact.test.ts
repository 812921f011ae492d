import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, expect, test } from 'vitest'
import type { ProxyMethod } from '#agent/ads/proxy-methods.ts'
import { systemClock } from '#agent/clock.ts'
import { loadSealingKey } from '#agent/store/sealing-key.ts'
import { createLog } from '#agent/log.ts'
import { Telemetry } from '#agent/telemetry/telemetry.ts'
import { FakeEdge } from '#test/agent/telemetry/fake-edge.ts'
import { eventually } from '#test/harness/child.ts'
import { clientAddress, get, serverAddress, Theatre } from './theatre.ts'

let theatre: Theatre
beforeAll(async () => {
  theatre = await Theatre.open()
})
afterEach(() => theatre.clear())

const requests = 40

test('every request is stored once by each proxy or is counted as shed, while the plane is away and the agent restarts', async () => {
  const edge = new FakeEdge()
  const connection = { url: await edge.listen() }
  theatre.onClear(() => edge.close())
  const dataDirectory = await mkdtemp(join(tmpdir(), 'atoll-exact-'))
  theatre.onClear(() => rm(dataDirectory, { recursive: true, force: true }))
  const late: { telemetry?: Telemetry } = {}
  const method: ProxyMethod = {
    path: '/opentelemetry.proto.collector.logs.v1.LogsService/Export',
    receive: (grant, message) => late.telemetry?.methods[0]?.receive(grant, message),
  }
  const app = await theatre.startApp('reviews')
  const stage = await theatre.start(
    `
about: ''
services:
  - host: reviews
    ports: [http:80]
    endpoints:
      server-1: {address: ${serverAddress}, ports: {http: ${app.port}}}
workloads:
  client-1: {address: ${clientAddress}}
  server-1: {address: ${serverAddress}}
proxies: [sidecar/default/client-1, sidecar/default/server-1]
`,
    { methods: [method] },
  )
  const start = () => {
    late.telemetry = new Telemetry({
      forwards: [],
      isAlone: true,
      data: { path: dataDirectory, key: loadSealingKey(join(dataDirectory, 'key'), true) },
      reportStoreProblem: (problem) => {
        throw new Error(problem)
      },
      spoolBytes: 1024 * 1024,
      connection,
      view: stage.scene.store,
      revisionOf: () => 1,
      clock: systemClock,
      random: Math.random,
      log: createLog('silent'),
    })
    late.telemetry.outbox.setToken('t')
    return late.telemetry
  }
  const sent: string[] = []
  const send = async () => {
    for (let count = 0; count < requests; count += 1) {
      const path = `/${sent.length}`
      expect((await get(`http://reviews${path}`)).status).toBe(200)
      sent.push(path, path)
    }
  }
  const received = (telemetry: Telemetry) => telemetry.status().counts.logs.received
  const isThere = (count: number) => eventually(`${count} records are stored`, () => edge.records.length >= count)

  const first = start()
  await send()
  await isThere(2 * requests)
  edge.status = 503
  await send()
  await eventually('the agent has them', () => received(first) === 4 * requests)
  await eventually('some wait on disk', () => first.status().spooled.logs > 0)
  await first.stop()

  // Requests go on while there is no agent: proxies hold their records back, and try again.
  const restarted = stage.restartAgent()
  const second = start()
  await send()
  await restarted
  await eventually('the agent has them', () => received(second) === 2 * requests)
  edge.status = 200
  await isThere(6 * requests)
  await second.stop()

  const { shed } = second.status().counts.logs
  expect(Object.values(shed)).toEqual(Object.values(shed).map(() => 0))
  expect(edge.records.map(({ path }) => String(path)).toSorted()).toEqual(sent.toSorted())
  const told = await stage.statistics(/open_telemetry_access_log.*logs_(written|dropped): /)
  const sum = (kind: string) =>
    told.filter((line) => line.includes(kind)).reduce((total, line) => total + Number(line.split(': ')[1]), 0)
  expect({ written: sum('logs_written'), dropped: sum('logs_dropped') }).toEqual({ written: sent.length, dropped: 0 })
})
