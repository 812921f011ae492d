import { cp, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '#test/harness/child.ts'
import { split } from '#test/harness/manifests.ts'
import { TwoClusters } from '#test/harness/two-clusters.ts'
import { World, type WorldCluster } from '#test/harness/world.ts'

let directory: string
let mesh: TwoClusters

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'atoll-faults-'))
  const world = await World.create(directory)
  await TwoClusters.startPlane(world)
  mesh = await TwoClusters.join(world)
  await bothAnswer()
}, 120_000)

afterAll(async () => {
  await mesh.stop()
  await rm(directory, { recursive: true, force: true })
})

const bothAnswer = () =>
  eventually('both clusters answer', async () => {
    const answers = await mesh.requests(20)
    return answers.failed === 0 && answers.byApp.has('reviews-v2') && answers
  })

/** Applies a split and gives the revision that the plane acknowledged. */
const apply = async (v1: number): Promise<number> => {
  const file = join(directory, 'reviews.yaml')
  await writeFile(file, split(v1, 100 - v1))
  return (await mesh.world.atollJson<{ revision: number }>(['apply', '-f', file])).revision
}

const onlyAnswers = (app: string) =>
  eventually(`only ${app} answers`, async () => {
    const answers = await mesh.requests(20)
    return answers.failed === 0 && answers.byApp.size === 1 && answers.byApp.has(app)
  })

const waitLive = async (): Promise<void> => {
  await eventually('the newest revision is live everywhere', async () => {
    const { items } = await mesh.world.atollJson<{ items: { revision: number }[] }>(['revision', 'list'])
    const newest = Math.max(...items.map((item) => item.revision))
    const { code } = await mesh.world.atoll(['apply', '--wait', '-f', join(directory, 'reviews.yaml')], {
      allowFailure: true,
    })
    return newest > 0 && code === 0
  })
}

const readiness = async (cluster: WorldCluster): Promise<{ status: number; body: string }> => {
  const response = await fetch(`http://${cluster.httpAddress}/readyz`)
  return { status: response.status, body: await response.text() }
}

type Victim = 'plane' | 'agent' | 'envoy'

const victims: Readonly<Record<Victim, { kill(): Promise<void>; start(): Promise<void> }>> = {
  plane: {
    kill: async () => mesh.world.plane?.kill(),
    start: () => mesh.world.startPlane(),
  },
  agent: {
    kill: async () => mesh.east.agent?.kill(),
    start: () => mesh.world.startAgent(mesh.east),
  },
  envoy: {
    kill: async () => mesh.frontend.envoy?.kill(),
    start: async () => mesh.world.startEnvoy(mesh.frontend),
  },
}

const orders: readonly (readonly [Victim, Victim, Victim])[] = [
  ['plane', 'agent', 'envoy'],
  ['plane', 'envoy', 'agent'],
  ['agent', 'plane', 'envoy'],
  ['agent', 'envoy', 'plane'],
  ['envoy', 'plane', 'agent'],
  ['envoy', 'agent', 'plane'],
]

describe('kill -9 during a stream of changes', () => {
  test.each(orders)('%s, then %s, then %s', { timeout: 240_000 }, async (...order) => {
    const acknowledged: number[] = []
    let going = true
    const stream = (async () => {
      for (let v1 = 10; going; v1 = v1 === 90 ? 10 : v1 + 10) {
        try {
          acknowledged.push(await apply(v1))
        } catch {
          // the plane is away: what it did not acknowledge may be lost
        }
      }
    })()
    await eventually('a change is acknowledged', () => acknowledged.length > 0)
    for (const victim of order) await victims[victim].kill()
    for (const victim of order) await victims[victim].start()
    const before = acknowledged.length
    await eventually('changes are acknowledged again', () => acknowledged.length > before)
    going = false
    await stream
    expect(new Set(acknowledged).size).toBe(acknowledged.length)
    expect(acknowledged).toEqual([...acknowledged].sort((a, b) => a - b))
    const { items } = await mesh.world.atollJson<{ items: { revision: number }[] }>(['revision', 'list'])
    const known = new Set(items.map((item) => item.revision))
    expect(acknowledged.filter((revision) => !known.has(revision))).toEqual([])
    await apply(0)
    await waitLive()
    await onlyAnswers('reviews-v2')
    await apply(100)
    await waitLive()
    await onlyAnswers('reviews-v1')
  })
})

describe('a plane that is not what it was', () => {
  test('one that comes back empty strips nothing', { timeout: 240_000 }, async () => {
    await apply(0)
    await waitLive()
    await onlyAnswers('reviews-v2')
    await mesh.world.plane?.stop()
    await rename(mesh.world.planeData, `${mesh.world.planeData}.aside`)
    try {
      await mesh.world.startPlane()
      const ready = await eventually('the agent says that this plane is not the one it knew', async () => {
        const answer = await readiness(mesh.east)
        return answer.body.includes('does not know') && answer
      })
      expect(ready.status).toBe(200)
      await onlyAnswers('reviews-v2')
    } finally {
      await mesh.world.plane?.stop()
      await rm(mesh.world.planeData, { recursive: true })
      await rename(`${mesh.world.planeData}.aside`, mesh.world.planeData)
    }
    await mesh.world.startPlane()
    await apply(100)
    await waitLive()
    await onlyAnswers('reviews-v1')
  })

  test('one restored from an old backup waits for a person', { timeout: 240_000 }, async () => {
    const backup = join(directory, 'backup.tar')
    await apply(100)
    await mesh.world.plane?.stop()
    await mesh.world.atoll(['plane', 'backup', '--data', mesh.world.planeData, '--out', backup])
    await mesh.world.startPlane()
    await apply(0)
    await waitLive()
    await onlyAnswers('reviews-v2')
    await mesh.world.plane?.stop()
    await cp(mesh.world.planeData, `${mesh.world.planeData}.lost`, { recursive: true })
    await rm(mesh.world.planeData, { recursive: true })
    await mesh.world.atoll(['plane', 'restore', backup, '--data', mesh.world.planeData])
    await mesh.world.startPlane()
    const held = await eventually('both agents hold the older configuration', async () => {
      const { items } = await mesh.world.atollJson<{ items: { name: string; holds: { id: string }[] }[] }>([
        'cluster',
        'list',
      ])
      return items.every((cluster) => cluster.holds.length > 0) && items
    })
    expect(held.map((cluster) => cluster.name).sort()).toEqual(['east', 'west'])
    await onlyAnswers('reviews-v2')
    for (const cluster of held)
      for (const hold of cluster.holds) await mesh.world.atoll(['cluster', 'confirm', cluster.name, hold.id])
    await onlyAnswers('reviews-v1')
  })
})
