import { expect, it } from 'vitest'
import { runFake } from './fake-io.ts'

const cluster = {
  name: 'east',
  network: 'net-1',
  kind: 'universal',
  joinedAt: '2026-11-21T12:00:00Z',
  connected: true,
  lastSeenAt: null,
  replicas: [],
  contribution: 'live',
  gateways: [],
  services: 1,
  endpoints: 1,
  certificateExpiresAt: null,
  holds: [],
  probes: [],
}
const show = async (objectProblems: number, troubledObjects?: readonly string[]) => {
  const body = { ...cluster, objectProblems, ...(troubledObjects && { troubledObjects }) }
  const answers = { 'GET /v1/meshes/shop/clusters/east': { status: 200, body } }
  const { stdout } = await runFake(['cluster', 'show', 'east'], { answers })
  return /^Objects +(.*): "atoll get/m.exec(stdout)?.[1]
}
const names = (count: number) => Array.from({ length: count }, (_, number) => `Gateway/shop/g${number}`)
const five = 'Gateway shop/g0, Gateway shop/g1, Gateway shop/g2, Gateway shop/g3, Gateway shop/g4'

it("names the mesh's objects that something is wrong with, and says how many more there are", async () => {
  expect(await show(1, names(1))).toBe("1 thing is wrong with the mesh's Gateway shop/g0")
  expect(await show(9, names(8))).toBe(`9 things are wrong with the mesh's ${five}, and 3 more`)
  expect(await show(90, names(20))).toBe(`90 things are wrong with the mesh's ${five}, and at least 15 more`)
})

it('says what an older plane knows', async () => {
  expect(await show(2)).toBe("2 things are wrong with the mesh's")
})
