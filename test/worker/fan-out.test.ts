import { runInDurableObject } from 'cloudflare:test'
import { expect, test, vi } from 'vitest'
import type { MeshContext } from '#worker/mesh/context.ts'
import { FanOut } from '#worker/mesh/uplink/fan-out.ts'
import type { Open } from '#worker/mesh/uplink/session.ts'
import { Sessions } from '#worker/mesh/uplink/sessions.ts'
import { joinTestCluster, TestAgent } from './support/test-agent.ts'
import { apply, toRule } from './support/test-configuration.ts'
import { createTestMesh } from './support/test-plane.ts'

/** A socket that keeps what is sent on it. */
const toSocket = (state: Open): { readonly socket: WebSocket; readonly sent: string[] } => {
  const sent: string[] = []
  const [socket] = Object.values(new WebSocketPair())
  if (!socket) throw new Error('no socket')
  socket.accept()
  socket.serializeAttachment(state)
  socket.send = (text) => void (typeof text === 'string' && sent.push(text))
  return { socket, sent }
}

const toState = (replica: string): Open => ({
  phase: 'open',
  id: replica,
  cluster: 'east',
  replica,
  agentVersion: 'test',
  connectedAt: 0,
  heardAt: 0,
  reporting: false,
  sent: 0,
  unacknowledged: [],
  unacknowledgedSince: 0,
  bulkChars: 0,
  delivery: null,
})

test('of large batches so many are on the way as fit into memory; the others wait for an acknowledgement', async () => {
  const mesh = await createTestMesh()
  await joinTestCluster(mesh, 'east', 'net-a')
  await apply(mesh, ['a', 'b', 'c'].map((name) => toRule(name, 'v1')).join('---'))

  await runInDurableObject(mesh.stub, (_instance, { storage }) => {
    let now = 0
    const context: MeshContext = {
      sql: storage.sql,
      transaction: (body) => storage.transactionSync(body),
      // Long enough between two looks at it that nothing is coalesced.
      now: () => (now += 1_000),
      random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
    }
    const ends = ['one', 'two', 'three'].map((replica) => toSocket(toState(replica)))
    const sessions = new Sessions(ends.map(({ socket }) => socket))
    const fanOut = new FanOut(context, sessions, { batchChars: 100, onTheWayChars: 100 })
    const sent = () => ends.map((end) => end.sent.length)

    fanOut.wake()
    expect(sent()).toEqual([1, 0, 0])
    const [first, second] = sessions.open()
    if (!first || !second) throw new Error('no sessions')
    fanOut.acknowledge(first, first.state.sent - 1)
    expect(sent()).toEqual([1, 0, 0])
    fanOut.acknowledge(first, first.state.sent)
    expect(sent()).toEqual([1, 1, 0])
    fanOut.acknowledge(second, second.state.sent)
    expect(sent()).toEqual([1, 1, 1])
    expect(new Set(ends.flatMap((end) => end.sent)).size).toBe(1)
  })
})

const range = (length: number): number[] => Array.from({ length }, (_, index) => index)

test('of two hundred agents each is told a revision once', { timeout: 120_000 }, async () => {
  const mesh = await createTestMesh()
  const clusters = await Promise.all(range(10).map((number) => joinTestCluster(mesh, `c${number}`, `net-${number}`)))
  const agents = await Promise.all(
    clusters.flatMap((cluster) =>
      range(20).map((number) => TestAgent.connect(cluster, { replica: `replica-${number}` })),
    ),
  )
  await vi.waitUntil(() => agents.every(({ position }) => position !== null), { timeout: 30_000 })
  await apply(mesh, toRule('reviews', 'v1'))
  await vi.waitUntil(() => agents.every(({ revision }) => revision === 1), { timeout: 30_000 })
  // A revision that comes after it has nothing of it.
  await apply(mesh, toRule('ratings', 'v1'))
  await vi.waitUntil(() => agents.every(({ revision }) => revision === 2), { timeout: 30_000 })
  const toldOf = ({ messages }: TestAgent) =>
    messages
      .flatMap((message) => (message.type === 'changes' ? message.items : []))
      .filter(({ key }) => key.startsWith('config/'))
      .map(({ key }) => key)
  expect(new Set(agents.map((agent) => toldOf(agent).join(' ')))).toEqual(
    new Set(['config/DestinationRule/default/reviews config/DestinationRule/default/ratings']),
  )
})
