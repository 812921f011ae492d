import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { createRoute } from '@hono/zod-openapi'
import packageJson from '../../package.json' with { type: 'json' }
import { previousRelease } from '../../scripts/previous-release.mjs'
import { ApiClient, type RequestOf } from '#api/client.ts'
import { createToken } from '#api/routes/tokens.ts'
import { ProfileStore } from '#cli/profile-store.ts'
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
  world.programs.plane = builtPrograms(inject('previousRelease'))
  await TwoClusters.startPlane(world)
  mesh = await TwoClusters.join(world)
  await untilAllProxies(world)
})

afterAll(async () => {
  await (mesh ?? world)?.stop()
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

test('what the older plane does not know is refused with both versions', async () => {
  const { profile } = new ProfileStore({ XDG_CONFIG_HOME: join(directory, 'config') }).find(undefined)
  const { version } = packageJson
  const options = { sleep: async () => {}, random: () => 0, newIdempotencyKey: randomUUID, fetch }
  const client = new ApiClient({ baseUrl: world.url, token: profile?.token, version, ...options })
  const ofTomorrow = createRoute({ method: 'get', path: '/v1/tomorrow', responses: {} })
  const versions = `the plane is of version ${previousRelease.version}, this is ${version}`
  await expect(client.call(ofTomorrow, {})).rejects.toMatchObject({
    code: 'not_found',
    message: expect.stringContaining(versions),
  })
  const withFieldOfTomorrow = { json: { name: 'x', role: 'viewer', colour: 'blue' } } as RequestOf<typeof createToken>
  await expect(client.call(createToken, withFieldOfTomorrow)).rejects.toMatchObject({
    code: 'invalid_request',
    message: expect.stringContaining(versions),
    problems: [{ code: 'unknown_field', message: expect.stringContaining('colour') }],
  })
})

test('the plane is restarted, and the agents go on from where they were', async () => {
  await world.plane?.stop()
  expect(await mesh.requests(20)).toMatchObject({ failed: 0 })
  await world.startPlane()
  await untilAllProxies(world)
  await applySplit(world, 0)
  await expectAnswersOf(mesh, 'reviews-v2')
})
