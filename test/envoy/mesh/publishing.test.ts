import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '#test/harness/child.ts'
import { split } from '#test/harness/manifests.ts'
import { TwoClusters } from '#test/harness/two-clusters.ts'
import { World } from '#test/harness/world.ts'

let directory: string
let mesh: TwoClusters

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'atoll-publishing-'))
  const world = await World.create(directory)
  await TwoClusters.startPlane(world)
  mesh = await TwoClusters.join(world)
  await answersOf('both clusters', 'reviews-v1', 'reviews-v2')
}, 240_000)

afterAll(async () => {
  await mesh.stop()
  await rm(directory, { recursive: true, force: true })
})

/** Waits until the frontend in east is answered by these and no others. */
const answersOf = (what: string, ...apps: readonly string[]) =>
  eventually(`answers of ${what}`, async () => {
    const answers = await mesh.requests(20)
    return answers.failed === 0 && answers.byApp.size === apps.length && apps.every((app) => answers.byApp.has(app))
  })

/** West's own split, which asks to be published. */
const toFiles = (v1: number) =>
  split(v1, 100 - v1).replaceAll('namespace: default}', 'namespace: default, annotations: {atoll.dev/publish: mesh}}')

const publishersOf = async () => {
  const { stdout } = await mesh.world.atoll(['get'])
  return stdout.split('\n').flatMap((line) => (line.includes('reviews') ? [line.trim().split(/\s+/).at(-1)] : []))
}

test(
  'what west publishes by grant splits the traffic of callers in east, until the grant is revoked',
  { timeout: 240_000 },
  async () => {
    const { world, west } = mesh
    await world.writeRegistry(west, 'split.yaml', toFiles(0))
    const grants = await Promise.all(
      ['VirtualService', 'DestinationRule'].map((kind) =>
        world.atollJson<{ id: string }>([
          'publish',
          'grant',
          '--cluster',
          'west',
          '--namespace',
          'default',
          '--kind',
          kind,
        ]),
      ),
    )
    await answersOf('v2', 'reviews-v2')
    expect(await publishersOf()).toEqual(['west', 'west'])

    await world.writeRegistry(west, 'split.yaml', toFiles(100))
    await answersOf('v1', 'reviews-v1')
    const { items } = await world.atollJson<{ items: { operation: string; actor: { name: string } }[] }>([
      'revision',
      'list',
    ])
    expect(items[0]).toMatchObject({ operation: 'publish', actor: { name: 'west' } })
    const refused = await world.atoll(['delete', 'vs', 'reviews'], { allowFailure: true })
    expect(refused.code).not.toBe(0)
    expect(refused.output).toContain('lives in the cluster west')

    for (const { id } of grants) await world.atoll(['publish', 'revoke', id])
    await answersOf('both clusters again', 'reviews-v1', 'reviews-v2')
    expect(await publishersOf()).toEqual([])
  },
)
