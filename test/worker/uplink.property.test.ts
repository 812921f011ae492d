import { evictDurableObject } from 'cloudflare:test'
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { joinTestCluster, TestAgent } from './support/test-agent.ts'
import type { TestCluster } from './support/test-agent.ts'
import { toTestEntry } from './support/test-catalog.ts'
import { apply, toRule } from './support/test-configuration.ts'
import { createTestMesh } from './support/test-plane.ts'
import type { TestMesh } from './support/test-plane.ts'

/**
 * Two clusters on two networks. East reports, people apply, sockets drop and come back, acknowledgements stop and go on, the object sleeps,
 * crashes, and is told things twice. In the end every agent has the same configuration, and what east offers.
 */
type Step =
  | { readonly kind: 'apply' | 'delete'; readonly name: string; readonly subset: string }
  | { readonly kind: 'report'; readonly names: readonly string[]; readonly endpoints: number }
  | { readonly kind: 'drop' | 'reconnect' | 'stall'; readonly side: 'east' | 'west' }
  | { readonly kind: 'sleep' | 'crash' | 'repeat' }

const names = ['a', 'b', 'c']
const side = fc.constantFrom('east', 'west')
const arbitraryStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('apply', 'delete'),
      name: fc.constantFrom(...names),
      subset: fc.constantFrom('v1', 'v2'),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('report'),
      names: fc.subarray(names, { minLength: 2 }),
      endpoints: fc.integer({ min: 3, max: 4 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('drop', 'reconnect', 'stall'), side }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('sleep', 'crash', 'repeat') }) },
)

/** One cluster's agent over its connections. */
class Side {
  readonly #cluster: TestCluster
  #agent: TestAgent | undefined
  #term = 0

  constructor(cluster: TestCluster) {
    this.#cluster = cluster
  }

  /** The agent, connected, as the reporter of its cluster. */
  async connected(): Promise<{ readonly agent: TestAgent; readonly term: number }> {
    if (this.#agent?.socket.readyState === WebSocket.OPEN) return { agent: this.#agent, term: this.#term }
    this.#agent = await TestAgent.connect(this.#cluster, {}, this.#agent)
    this.#term += 1
    await this.#agent.claim(this.#term)
    return { agent: this.#agent, term: this.#term }
  }

  drop(): void {
    this.#agent?.socket.close()
  }

  /** Waits until it has heard that the plane is gone. */
  async lost(): Promise<void> {
    if (this.#agent?.socket.readyState === WebSocket.OPEN) await this.#agent.ended()
  }

  async stall(): Promise<void> {
    const { agent } = await this.connected()
    agent.acknowledges = !agent.acknowledges
  }

  async settle(): Promise<TestAgent> {
    const { agent } = await this.connected()
    agent.acknowledges = true
    if (agent.position) agent.send({ type: 'ack', position: agent.position })
    return agent
  }
}

const listConfiguration = async (mesh: TestMesh): Promise<Record<string, unknown>> => {
  const { body } = await mesh.send<{ items: { key: string; object: unknown }[] }>('GET', '/configuration')
  return Object.fromEntries(body.items.map(({ key, object }) => [`config/${key}`, object]))
}

const heldBy = (agent: TestAgent, prefix: string): Record<string, unknown> =>
  Object.fromEntries([...agent.state].filter(([key]) => key.startsWith(prefix)).map(([key, item]) => [key, item.value]))

const run = async (steps: readonly Step[]): Promise<void> => {
  const mesh = await createTestMesh()
  const sides = {
    east: new Side(await joinTestCluster(mesh, 'east', 'net-a')),
    west: new Side(await joinTestCluster(mesh, 'west', 'net-b')),
  }
  let reported: readonly string[] = []
  let last: Parameters<TestAgent['sendReport']>[0]
  const report = async (toReport: readonly string[], endpoints: number) => {
    const { agent, term } = await sides.east.connected()
    const upserts = toReport.map((name) => toTestEntry({ cluster: 'east', network: 'net-a', name, endpoints }))
    const answer = await agent.report(upserts, { term })
    if (answer.type === 'report-held') {
      await mesh.send('POST', '/clusters/east/confirm', { body: { hold: answer.hold } })
      await agent.next('report-ack', ({ position }) => position.sequence === answer.position.sequence)
    }
    last = { term, upserts, position: answer.position }
    reported = toReport
  }
  for (const step of steps) {
    switch (step.kind) {
      case 'apply':
        await apply(mesh, toRule(step.name, step.subset))
        break
      case 'delete':
        await mesh.send('DELETE', `/configuration/DestinationRule/default/${step.name}`)
        break
      case 'report':
        await report(step.names, step.endpoints)
        break
      case 'drop':
        sides[step.side].drop()
        break
      case 'reconnect':
        await sides[step.side].connected()
        break
      case 'stall':
        await sides[step.side].stall()
        break
      case 'sleep':
        await mesh.send('GET', '')
        await evictDurableObject(mesh.stub)
        break
      case 'crash':
        await mesh.send('GET', '')
        await evictDurableObject(mesh.stub, { webSockets: 'close' })
        await Promise.all([sides.east.lost(), sides.west.lost()])
        break
      case 'repeat':
        if (last) (await sides.east.connected()).agent.sendReport(last)
    }
  }
  await report(reported.length === 0 ? names : reported, 5)

  const agents = [await sides.east.settle(), await sides.west.settle()]
  const expected = await listConfiguration(mesh)
  for (const agent of agents)
    await vi.waitFor(() => expect(heldBy(agent, 'config/')).toEqual(expected), { timeout: 10_000 })
  const services = reported.map((name) => `summary/east/default/${name}.default.svc.cluster.local`).toSorted()
  await vi.waitFor(
    () => {
      const [, west] = agents
      const held = west ? heldBy(west, 'summary/east/') : {}
      expect(Object.keys(held).toSorted()).toEqual(services)
      expect(Object.values(held)).toEqual(
        services.map(() => expect.objectContaining({ groups: [expect.objectContaining({ weight: 5 })] })),
      )
    },
    { timeout: 10_000 },
  )
}

test('whatever happens on the way, every agent ends with the same state', { timeout: 60_000 }, async () => {
  expect.hasAssertions()
  await fc.assert(fc.asyncProperty(fc.array(arbitraryStep, { minLength: 5, maxLength: 20 }), run), {
    numRuns: 25,
    interruptAfterTimeLimit: 45_000,
  })
})
