import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { previousRelease } from '../../scripts/previous-release.mjs'
import { toErrorMessage } from '#mesh/error-message.ts'
import { eventually } from '#test/harness/child.ts'
import { builtPrograms, ownPrograms, type Programs } from '#test/harness/programs.ts'
import { TwoClusters } from '#test/harness/two-clusters.ts'
import { World, type WorldCluster } from '#test/harness/world.ts'
import { Load } from './load.ts'
import { readMeshSchema, readMigrations, setMigratedTomorrow, writeMeshSchema } from './plane-data.ts'
import { readEverything } from './read-everything.ts'
import { admitAndEvict, applySplit, expectAnswersOf, untilAllProxies, workADay } from './working-day.ts'

/** A mesh of the previous release is brought to this one part by part: plane, one agent, the other; in order, under load throughout. */
const [older, newer] = [builtPrograms(inject('previousRelease')), ownPrograms]
let directory: string
let world: World
let mesh: TwoClusters
let load: Load
/** What the older plane's data were like. */
let olderData: { readonly schema: number; readonly migrations: readonly unknown[] }

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
  await (mesh ?? world)?.stop()
  await rm(directory, { recursive: true, force: true })
})

test('the plane is upgraded: it says what it said before, and the agents go on from where they were', async () => {
  const linesBefore = [mesh.east, mesh.west].map(establishments)
  const before = await readEverything(world)
  await world.plane?.stop()
  olderData = readData()
  world.programs.plane = newer
  await world.startPlane()
  for (const [i, cluster] of [mesh.east, mesh.west].entries()) {
    const sessions = await eventually(`${cluster.name} is back`, () => {
      const now = establishments(cluster)
      return now.length > (linesBefore[i]?.length ?? 0) && now
    })
    expect(sessions.at(-1)).toMatchObject({ sync: 'resume' })
  }
  // A newer plane may say more.
  expect(await readEverything(world)).toMatchObject(before)
})

test('the older agents work with the newer plane, and so does the older command line', async () => {
  world.programs.cli = older
  await workADay(mesh)
  await admitAndEvict(mesh)
  expect(await versions()).toEqual({ east: previousRelease.version, west: previousRelease.version })
})

test('one agent is upgraded, and works with the other', async () => {
  await changeAgent(mesh.east, newer, 'snapshot')
  expect(await versions()).toEqual({ east: packageJson.version, west: previousRelease.version })
  world.programs.cli = newer
  await workADay(mesh)
})

test('then the other', async () => {
  await changeAgent(mesh.west, newer, 'snapshot')
  expect(await versions()).toEqual({ east: packageJson.version, west: packageJson.version })
  await applySplit(world, 0)
  await expectAnswersOf(mesh, 'reviews-v2')
})

test("an agent goes back to the previous release over the newer one's data, and forward again", async () => {
  // It can't read which intermediate it is to sign with, says so, and asks for all that it can.
  await changeAgent(mesh.west, older, 'snapshot', 1)
  // All or a part, as the older one has written anything or not.
  await changeAgent(mesh.west, newer, /snapshot|resume/)
  expect(await versions()).toEqual({ east: packageJson.version, west: packageJson.version })
})

test('the previous plane serves the data of this one, unless the schema has changed: then it refuses and changes nothing', async () => {
  await world.plane?.stop()
  const newerData = readData()
  world.programs.plane = older
  await world.startPlane()
  const outcome = await readEverything(world).then(
    () => 'serves',
    (error: unknown) => toErrorMessage(error).replace(/^.*: 500 .*"internal".*$/, 'refuses'),
  )
  expect(outcome).toBe(isDeepStrictEqual(newerData, olderData) ? 'serves' : 'refuses')
  await world.plane?.stop()
  expect(readData()).toEqual(newerData)
})

test('data of a newer plane are refused and left alone, and agents go on with what they have', async () => {
  world.programs.plane = newer
  const ours = readData()
  setMigratedTomorrow(world, true)
  await expect(world.startPlane()).rejects.toThrow(
    /version .* a newer version has changed the database: 9999_of_tomorrow.sql/,
  )
  expect(await world.plane?.exited()).toBe(6)
  setMigratedTomorrow(world, false)

  writeMeshSchema(world, ours.schema + 1)
  await world.startPlane()
  const refused = await world.atoll(['get'], { allowFailure: true })
  expect(refused).toMatchObject({ code: 6 })
  expect(refused.output).toContain('newer_data')
  expect(refused.output).toContain(`this is version ${packageJson.version}`)
  await mesh.east.agent?.stop()
  await world.startAgent(mesh.east)
  await expectAnswersOf(mesh, 'reviews-v2')
  await world.plane?.stop()
  expect(readData().schema).toBe(ours.schema + 1)

  writeMeshSchema(world, ours.schema)
  await world.startPlane()
  await untilAllProxies(world)
  await applySplit(world, 100)
  await expectAnswersOf(mesh, 'reviews-v1')
})

test('no request has failed', async () => {
  const { answered, failures } = await load.end()
  expect(failures).toEqual([])
  expect(answered).toBeGreaterThan(100)
})

/**
 * The agent's data directory is opened by another version, which goes on from there: "resume", or, where it may know what the other did
 * not, "snapshot".
 */
const changeAgent = async (
  cluster: WorldCluster,
  programs: Programs,
  sync: string | RegExp,
  troubles = 0,
): Promise<void> => {
  await cluster.agent?.stop()
  world.programs.agents = programs
  await world.startAgent(cluster)
  await eventually(`${cluster.name} is connected`, () => establishments(cluster).length > 0)
  expect(establishments(cluster)[0]).toMatchObject({ sync: expect.stringMatching(sync) as string })
  await untilAllProxies(world)
  expect(cluster.agent?.log().match(/trouble with the data directory/g) ?? []).toHaveLength(troubles)
}

/** What versions the data of the plane are of; it is stopped. */
const readData = () => ({ schema: readMeshSchema(world), migrations: readMigrations(world) })

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
