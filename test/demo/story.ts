import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually } from '#test/harness/child.ts'
import { split } from '#test/harness/manifests.ts'
import { describeAnswers, TwoClusters } from '#test/harness/two-clusters.ts'
import type { World } from '#test/harness/world.ts'
import type { Narrator } from './narrator.ts'

/** From nothing to traffic between two clusters, then without the plane, then with it again; every step is checked. */
export const tellStory = async (world: World, narrator: Narrator): Promise<TwoClusters> => {
  narrator.chapter('A control plane, a person, a mesh')
  await TwoClusters.startPlane(world, narrator.command)

  narrator.chapter('Two clusters on two networks join')
  const mesh = await TwoClusters.join(world, narrator.command)
  try {
    await tellTraffic(mesh, narrator)
    return mesh
  } catch (error) {
    await mesh.stop()
    throw error
  }
}

const tellTraffic = async (mesh: TwoClusters, narrator: Narrator): Promise<void> => {
  const { world, east } = mesh
  const first = await eventually('both clusters answer', async () => {
    const answers = await mesh.requests(20)
    return answers.failed === 0 && answers.byApp.size === 2 && answers
  })
  narrator.check('frontend reaches reviews in both clusters', true, describeAnswers(first))

  narrator.chapter("Istio's YAML, unchanged: 80/20 by subset")
  await apply(world, narrator, 80)
  await checkSplit(mesh, narrator, 80)

  narrator.chapter('The control plane is killed (kill -9)')
  await world.plane?.kill()
  const without = await mesh.requests(100)
  narrator.check('traffic goes on', without.failed === 0 && without.byApp.size === 2, describeAnswers(without))
  await mesh.useSpare()
  const joined = await eventually('a new endpoint in east gets traffic', async () => {
    const answers = await mesh.requests(20)
    return answers.byApp.has('reviews-v1-spare') && answers
  })
  narrator.check('a machine added in east takes traffic, without the plane', true, describeAnswers(joined))

  narrator.chapter('An agent and a proxy are restarted, the plane still away')
  await east.agent?.kill()
  await mesh.frontend.envoy?.kill()
  await world.startAgent(east)
  world.startEnvoy(mesh.frontend)
  await eventually('the new proxy is served', async () => (await mesh.requests(20)).failed === 0)
  const cold = await mesh.requests(100)
  narrator.check(
    'the agent serves its last configuration to a proxy that has none',
    cold.failed === 0 && cold.byApp.has('reviews-v2'),
    describeAnswers(cold),
  )

  narrator.chapter('The control plane comes back')
  await world.startPlane()
  await apply(world, narrator, 50)
  await checkSplit(mesh, narrator, 50)
  const revisions = await world.atollJson<{ items: unknown[] }>(['revision', 'list'])
  narrator.check('nothing lost, nothing doubled', revisions.items.length === 2, `${revisions.items.length} revisions`)
}

const apply = async (world: World, narrator: Narrator, v1: number): Promise<void> => {
  const file = join(world.directory, 'reviews.yaml')
  await writeFile(file, split(v1, 100 - v1))
  narrator.command('atoll apply --wait -f reviews.yaml')
  const { stdout } = await world.atoll(['apply', '--wait', '-f', file])
  for (const line of stdout.split('\n').filter(Boolean)) narrator.say(line)
  const live = /live on (\d+) of (\d+) proxies in 2 of 2 clusters/.exec(stdout)
  const everywhere = live !== null && live[1] === live[2] && live[1] !== '0'
  narrator.check('the revision is live on every proxy', everywhere, live?.[0] ?? 'the answer does not say so')
}

const checkSplit = async (mesh: TwoClusters, narrator: Narrator, expected: number): Promise<void> => {
  const answers = await mesh.requests(400)
  const v1 = [...answers.byApp]
    .filter(([app]) => app.startsWith('reviews-v1'))
    .reduce((sum, [, count]) => sum + count, 0)
  const percent = Math.round(v1 / 4)
  // of 400 requests, four standard deviations are at most 10 percentage points
  const near = answers.failed === 0 && Math.abs(percent - expected) <= 10
  narrator.check(`v1 gets about ${expected} %`, near, describeAnswers(answers))
  const seen = answers.callers.size === 1 && answers.callers.has(mesh.frontendIdentity)
  narrator.check("the callee sees the caller's SPIFFE ID", seen, [...answers.callers].join(', '))
}
