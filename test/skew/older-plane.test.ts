import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { builtPrograms } from '#test/harness/programs.ts'
import { TwoClusters } from '#test/harness/two-clusters.ts'
import { World } from '#test/harness/world.ts'
import { admitAndEvict, applySplit, expectAnswersOf, untilAllProxies, workADay } from './working-day.ts'

/** The plane of the previous release, with agents and a command line of this one. */
let directory: string
let world: World
let mesh: TwoClusters

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'atoll-older-plane-'))
  world = await World.create(directory)
  const { previous, current } = inject('releases')
  world.programs.plane = builtPrograms(previous)
  world.programs.agents = world.programs.cli = builtPrograms(current)
  await TwoClusters.startPlane(world)
  mesh = await TwoClusters.join(world)
  await untilAllProxies(world)
})

afterAll(async () => {
  await mesh?.stop()
  await rm(directory, { recursive: true, force: true })
})

test('a mesh is made and worked with', async () => {
  await workADay(mesh)
  expect(await mesh.requests(20)).toMatchObject({ failed: 0 })
})

test('a cluster joins, renews its intermediate and is evicted', async () => {
  await admitAndEvict(mesh)
  expect(await mesh.requests(20)).toMatchObject({ failed: 0 })
})

test('the plane is restarted, and the agents go on from where they were', async () => {
  await world.plane?.stop()
  expect(await mesh.requests(20)).toMatchObject({ failed: 0 })
  await world.startPlane()
  await untilAllProxies(world)
  await applySplit(world, 0)
  await expectAnswersOf(mesh, 'reviews-v2')
})
