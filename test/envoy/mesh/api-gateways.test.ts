import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createNarrator } from '#test/demo/narrator.ts'
import { apiGatewayExamples } from '#test/examples/api-gateway-examples.ts'
import { TwoClusters } from '#test/harness/two-clusters.ts'
import { World } from '#test/harness/world.ts'

let directory: string
let mesh: TwoClusters

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'atoll-api-gateways-'))
  const world = await World.create(directory)
  await TwoClusters.startPlane(world)
  mesh = await TwoClusters.join(world)
}, 240_000)

afterAll(async () => {
  await mesh.stop()
  await rm(directory, { recursive: true, force: true })
})

test.each([...apiGatewayExamples])('the example of an API gateway holds: %s', { timeout: 120_000 }, async (_, tell) => {
  const lines: string[] = []
  const narrator = createNarrator((line) => lines.push(line))
  await tell(mesh, narrator)
  expect(narrator.failures).toEqual([])
  expect(lines.filter((line) => line.includes('✔')).length).toBeGreaterThanOrEqual(3)
})
