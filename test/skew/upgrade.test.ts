import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { previousRelease } from '../../scripts/previous-release.mjs'
import { eventually } from '#test/harness/child.ts'
import { builtPrograms } from '#test/harness/programs.ts'
import { TwoClusters } from '#test/harness/two-clusters.ts'
import { World, type WorldCluster } from '#test/harness/world.ts'
import { Load } from './load.ts'
import { readEverything } from './read-everything.ts'
import { admitAndEvict, applySplit, expectAnswersOf, untilAllProxies, workADay } from './working-day.ts'

/** A mesh of the previous release is brought to this one part by part: plane, one agent, the other; in order, under load throughout. */
const { previous, current } = inject('releases')
const [older, newer] = [builtPrograms(previous), builtPrograms(current)]
let directory: string
let world: World
let mesh: TwoClusters
let load: Load

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'atoll-upgrade-'))
  world = await World.create(directory)
  Object.assign(world.programs, { plane: older, agents: older, cli: older })
  await TwoClusters.startPlane(world)
  mesh = await TwoClusters.join(world)
  await untilAllProxies(world)
  await applySplit(world, 100)
  await applySplit(world, 50)
  load = new Load(mesh)
})

afterAll(async () => {
  await load?.end()
  await mesh?.stop()
  await rm(directory, { recursive: true, force: true })
})

test('the plane is upgraded: it says what it said before, and the agents go on from where they were', async () => {
  const linesBefore = [mesh.east, mesh.west].map(establishments)
  const before = await readEverything(world)
  await world.plane?.stop()
  world.programs.plane = newer
  await world.startPlane()
  for (const [i, cluster] of [mesh.east, mesh.west].entries()) {
    const sessions = await eventually(`${cluster.name} is back`, () => {
      const now = establishments(cluster)
      return now.length > (linesBefore[i]?.length ?? 0) && now
    })
    expect(sessions.at(-1)).toMatchObject({ sync: 'resume' })
  }
  expect(await readEverything(world)).toEqual(before)
})

test('the older agents work with the newer plane, and so does the older command line', async () => {
  world.programs.cli = older
  await workADay(mesh)
  await admitAndEvict(mesh)
  expect(await versions()).toEqual({ east: previousRelease.version, west: previousRelease.version })
})

test('one agent is upgraded, and works with the other', async () => {
  await upgradeAgent(mesh.east)
  expect(await versions()).toEqual({ east: packageJson.version, west: previousRelease.version })
  world.programs.cli = newer
  await workADay(mesh)
})

test('then the other', async () => {
  await upgradeAgent(mesh.west)
  expect(await versions()).toEqual({ east: packageJson.version, west: packageJson.version })
  await applySplit(world, 0)
  await expectAnswersOf(mesh, 'reviews-v2')
})

test('no request has failed', async () => {
  const { answered, failures } = await load.end()
  expect(failures).toEqual([])
  expect(answered).toBeGreaterThan(100)
})

/** The data directory of the older agent is opened by the newer one, which goes on from there. */
const upgradeAgent = async (cluster: WorldCluster): Promise<void> => {
  await cluster.agent?.stop()
  world.programs.agents = newer
  await world.startAgent(cluster)
  await eventually(`${cluster.name} is connected`, () => establishments(cluster).length > 0)
  expect(establishments(cluster)[0]).toMatchObject({ sync: 'resume' })
  await untilAllProxies(world)
  expect(cluster.agent?.log()).not.toContain('trouble with the data directory')
}

/** What the agent logged of each session with the plane. */
const establishments = ({ agent }: WorldCluster): unknown[] =>
  (agent?.log().split('\n') ?? []).filter((line) => line.includes('uplink established')).map((line) => JSON.parse(line))

/** Of the connected agents, as the plane has heard. */
const versions = async (): Promise<Record<string, string | undefined>> => {
  const { items } = await world.atollJson<{ items: { name: string; replicas: { agentVersion: string }[] }[] }>([
    'cluster',
    'list',
  ])
  return Object.fromEntries(items.map(({ name, replicas }) => [name, replicas[0]?.agentVersion]))
}
