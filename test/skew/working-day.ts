import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { eventually } from '#test/harness/child.ts'
import { split } from '#test/harness/manifests.ts'
import type { TwoClusters } from '#test/harness/two-clusters.ts'
import type { World } from '#test/harness/world.ts'

/** Two gateways, three sidecars. */
const proxiesOfTwoClusters = 5

/** Applies the split and waits until every proxy has it; gives the revision. */
export const applySplit = async (world: World, v1: number): Promise<number> => {
  const file = await writeSplit(world, v1)
  const { stdout } = await world.atoll(['apply', '--wait', '-f', file])
  expect(stdout).toContain(`live on ${proxiesOfTwoClusters} of ${proxiesOfTwoClusters} proxies in 2 of 2 clusters`)
  const { items } = await world.atollJson<{ items: { revision: number }[] }>(['revision', 'list', '--limit', '1'])
  return items[0]?.revision ?? 0
}

/** Waits until all proxies are connected and have everything, as the plane is told. */
export const untilAllProxies = (world: World): Promise<true> =>
  eventually('all proxies are in sync', async () => (await countSynced(world)) === proxiesOfTwoClusters)

const countSynced = async (world: World): Promise<number> => {
  const { items } = await world.atollJson<{ items: { synced: boolean }[] }>(['proxies'])
  return items.filter(({ synced }) => synced).length
}

const writeSplit = async (world: World, v1: number): Promise<string> => {
  const file = join(world.directory, `reviews-${v1}.yaml`)
  await writeFile(file, split(v1, 100 - v1))
  return file
}

/** Requests are answered by this application alone, none fails, and it sees who calls. */
export const expectAnswersOf = async (mesh: TwoClusters, app: string): Promise<void> => {
  await eventually(`only ${app} answers`, async () => {
    const answers = await mesh.requests(20)
    return answers.failed === 0 && answers.byApp.size === 1 && answers.byApp.has(app)
  })
  expect((await mesh.requests(1)).callers).toEqual(new Set([mesh.frontendIdentity]))
}

/**
 * What people do with a mesh, through the command line: change the routing and see it live, between the clusters too, compare, look around,
 * go back.
 */
export const workADay = async (mesh: TwoClusters): Promise<void> => {
  const { world } = mesh
  const first = await applySplit(world, 100)
  await expectAnswersOf(mesh, 'reviews-v1')
  await applySplit(world, 0)
  await expectAnswersOf(mesh, 'reviews-v2')
  const [same, other] = await Promise.all([
    world.atoll(['diff', '-f', await writeSplit(world, 0)], { allowFailure: true }),
    world.atoll(['diff', '-f', await writeSplit(world, 70)], { allowFailure: true }),
    lookAround(world),
  ])
  expect(same.stdout).not.toContain('weight')
  expect(other.stdout).toMatch(/^\+.*weight: 70$/m)
  await world.atoll(['revision', 'rollback', String(first), '--wait'])
  await expectAnswersOf(mesh, 'reviews-v1')
}

/** Everything that can be looked at, and what must be there. */
const lookAround = async (world: World): Promise<void> => {
  const [clusters, east, synced, service, object, trust] = await Promise.all([
    world.atollJson<{ items: { name: string; connected: boolean }[] }>(['cluster', 'list']),
    world.atollJson<{ services: number; endpoints: number }>(['cluster', 'show', 'east']),
    countSynced(world),
    world.atollJson<unknown>(['services', 'reviews.default.svc.cluster.local']),
    world.atollJson<{ spec: { hosts: string[] } }>(['get', 'VirtualService', 'reviews']),
    world.atollJson<{ sound: boolean }>(['trust', 'verify']),
  ])
  expect(clusters.items.filter(({ connected }) => connected).map(({ name }) => name)).toEqual(['east', 'west'])
  expect(east).toMatchObject({ services: 1, endpoints: 1 })
  expect(synced).toBe(proxiesOfTwoClusters)
  expect(JSON.stringify(service)).toContain('"west"')
  expect(object.spec.hosts).toEqual(['reviews'])
  expect(trust.sound).toBe(true)
  const gateway = await world.atollJson<{ resources: unknown[] }>(['proxy', 'config', 'sidecar/default/frontend'])
  expect(gateway.resources.length).toBeGreaterThan(0)
}

/** A third cluster joins, renews its intermediate, and is evicted. */
export const admitAndEvict = async (mesh: TwoClusters): Promise<void> => {
  const { world } = mesh
  const north = await world.join('north', 'net-north')
  try {
    await world.startAgent(north)
    await eventually('north is connected', async () => {
      const { connected } = await world.atollJson<{ connected: boolean }>(['cluster', 'show', 'north'])
      return connected
    })
    await north.agent?.stop()
    await world.startAgent(north, join(import.meta.dirname, 'a-later-time.ts'))
    await north.agent?.waitForLine(/received a new intermediate/)
    const { items } = await world.atollJson<{ items: { cluster: string | null }[] }>(['trust', 'certificates'])
    expect(items.filter(({ cluster }) => cluster === 'north').length).toBeGreaterThanOrEqual(2)
    await world.atoll(['cluster', 'evict', 'north', '--yes'])
    await north.agent?.waitForLine(/evicted/)
    const { items: left } = await world.atollJson<{ items: { name: string }[] }>(['cluster', 'list'])
    expect(left.map(({ name }) => name)).toEqual(['east', 'west'])
  } finally {
    await north.agent?.stop()
    world.clusters.delete('north')
  }
}
