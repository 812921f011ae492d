import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createNarrator } from '#test/demo/narrator.ts'
import { tellStory } from '#test/demo/story.ts'
import { World } from '#test/harness/world.ts'

test('the demo tells its story without a failed check', { timeout: 240_000 }, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'atoll-story-'))
  const lines: string[] = []
  const narrator = createNarrator((line) => lines.push(line))
  const mesh = await tellStory(await World.create(directory), narrator)
  await mesh.stop()
  await rm(directory, { recursive: true, force: true })
  expect({ failures: narrator.failures, story: lines }).toEqual({ failures: [], story: lines })
  expect(lines.filter((line) => line.includes('✔')).length).toBeGreaterThanOrEqual(10)
})
