import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { EchoApp, type Echo } from '#test/harness/echo-app.ts'
import { eventually } from '#test/harness/child.ts'
import { requestThroughProxy } from '#test/harness/proxy-request.ts'
import type { World, WorldCluster } from '#test/harness/world.ts'
import { inbound, reviewsService, split, workload } from './manifests.ts'
import type { Narrator } from './narrator.ts'

const proxyPort = 15007
const url = 'http://reviews.default.svc.cluster.local:9080/reviews/1'
const frontendIdentity = 'spiffe://demo.atoll.local/ns/default/sa/frontend'

export interface Story {
  readonly world: World
  readonly east: WorldCluster
  readonly west: WorldCluster
  /** One request from frontend in east to the reviews service. */
  request(): Promise<Echo>
  /** Requests one after the other; how many were answered by which application, and how many failed. */
  requests(
    count: number,
  ): Promise<{
    readonly byApp: ReadonlyMap<string, number>
    readonly failed: number
    readonly callers: ReadonlySet<string | null>
  }>
  stop(): Promise<void>
}

/** From nothing to traffic between two clusters, then without the plane, then with it again; every step is checked. */
export const tellStory = async (world: World, narrator: Narrator): Promise<Story> => {
  narrator.chapter('A control plane, a person, a mesh')
  narrator.command('atoll plane serve')
  await world.startPlane()
  const setupToken = (await readFile(join(world.planeData, 'setup-token'), 'utf8')).trim()
  narrator.command(`atoll login --url ${world.url} --setup-token-stdin --org demo`)
  await world.atoll(['login', '--url', world.url, '--setup-token-stdin', '--org', 'demo'], { input: setupToken })
  narrator.command('atoll mesh create demo --trust-domain demo.atoll.local')
  await world.atoll(['mesh', 'create', 'demo', '--trust-domain', 'demo.atoll.local'])

  narrator.chapter('Two clusters on two networks join')
  const east = await world.join('east', 'net-east')
  const west = await world.join('west', 'net-west')
  for (const cluster of [east, west]) {
    narrator.command(`atoll cluster join ${cluster.name} --network ${cluster.network}`)
    await world.writeRegistry(cluster, 'reviews.yaml', reviewsService)
    await world.writeRegistry(
      cluster,
      'gateway.yaml',
      workload({
        name: 'gateway',
        address: `${cluster.prefix}.2`,
        serviceAccount: 'gateway',
        labels: { 'atoll.dev/role': 'east-west-gateway' },
      }),
    )
  }
  const v1 = await EchoApp.start('reviews-v1')
  const v2 = await EchoApp.start('reviews-v2')
  const apps = [v1, v2]
  await world.writeRegistry(
    east,
    'frontend.yaml',
    workload({
      name: 'frontend',
      address: `${east.prefix}.10`,
      serviceAccount: 'frontend',
      labels: { app: 'frontend' },
    }),
  )
  await placeReviews(world, east, { name: 'reviews-v1', version: 'v1', address: `${east.prefix}.11`, port: v1.port })
  await placeReviews(world, west, { name: 'reviews-v2', version: 'v2', address: `${west.prefix}.11`, port: v2.port })
  await Promise.all([world.startAgent(east), world.startAgent(west)])
  for (const cluster of [east, west]) {
    const gateway = await world.addProxy(cluster, {
      role: 'east-west-gateway',
      namespace: 'default',
      serviceAccount: 'gateway',
      workload: 'gateway',
      address: `${cluster.prefix}.2`,
    })
    world.startEnvoy(gateway)
  }
  const frontend = await world.addProxy(east, {
    role: 'sidecar',
    namespace: 'default',
    serviceAccount: 'frontend',
    workload: 'frontend',
    address: `${east.prefix}.10`,
  })
  const reviews1 = await world.addProxy(east, {
    role: 'sidecar',
    namespace: 'default',
    serviceAccount: 'reviews',
    workload: 'reviews-v1',
    address: `${east.prefix}.11`,
  })
  const reviews2 = await world.addProxy(west, {
    role: 'sidecar',
    namespace: 'default',
    serviceAccount: 'reviews',
    workload: 'reviews-v2',
    address: `${west.prefix}.11`,
  })
  for (const proxy of [frontend, reviews1, reviews2]) world.startEnvoy(proxy)
  // a machine that is prepared now and put to work while the plane is away
  const spare = await world.addProxy(east, {
    role: 'sidecar',
    namespace: 'default',
    serviceAccount: 'reviews',
    workload: 'reviews-v1-spare',
    address: `${east.prefix}.12`,
  })

  const request = async (): Promise<Echo> => {
    const reply = await requestThroughProxy({ host: frontend.address, port: proxyPort }, url)
    if (reply.status !== 200) throw new Error(`${reply.status}: ${reply.body.slice(0, 200)}`)
    return JSON.parse(reply.body) as Echo
  }
  const requests = async (count: number): ReturnType<Story['requests']> => {
    const byApp = new Map<string, number>()
    const callers = new Set<string | null>()
    let failed = 0
    for (let i = 0; i < count; i++)
      try {
        const echo = await request()
        byApp.set(echo.app, (byApp.get(echo.app) ?? 0) + 1)
        callers.add(echo.caller)
      } catch {
        failed++
      }
    return { byApp, failed, callers }
  }
  const stop = async (): Promise<void> => {
    await world.stop()
    await Promise.all(apps.map((app) => app.stop()))
  }
  const story: Story = { world, east, west, request, requests, stop }
  try {
    await eventually('both clusters answer', async () => {
      const seen = await requests(20)
      return seen.failed === 0 && seen.byApp.size === 2
    })
    narrator.check('frontend reaches reviews in both clusters', true, 'round robin, before any configuration')

    narrator.chapter("Istio's YAML, unchanged: 80/20 by subset")
    await apply(world, narrator, 80, 20)
    await checkSplit(story, narrator, 80)

    narrator.chapter('The control plane is killed (kill -9)')
    await world.plane?.kill()
    const without = await requests(100)
    narrator.check('traffic goes on', without.failed === 0 && without.byApp.size === 2, show(without))
    const v1Spare = await EchoApp.start('reviews-v1-spare')
    apps.push(v1Spare)
    await placeReviews(world, east, {
      name: 'reviews-v1-spare',
      version: 'v1',
      address: spare.address,
      port: v1Spare.port,
    })
    world.startEnvoy(spare)
    const joined = await eventually('a new endpoint in east gets traffic', async () => {
      const seen = await requests(20)
      return seen.byApp.has('reviews-v1-spare') && seen
    })
    narrator.check('a machine added in east takes traffic, without the plane', true, show(joined))

    narrator.chapter('An agent is restarted, the plane still away')
    await east.agent?.kill()
    await world.startAgent(east)
    await frontend.envoy?.kill()
    world.startEnvoy(frontend)
    await eventually('a proxy started now is served', async () => (await requests(20)).failed === 0)
    const cold = await requests(100)
    narrator.check(
      'the agent serves its last configuration to a proxy that has none',
      cold.failed === 0 && cold.byApp.has('reviews-v2'),
      show(cold),
    )

    narrator.chapter('The control plane comes back')
    await world.startPlane()
    await apply(world, narrator, 50, 50)
    await checkSplit(story, narrator, 50)
    const revisions = await world.atollJson<{ items: { number: number }[] }>(['revision', 'list'])
    narrator.check('nothing lost, nothing doubled', revisions.items.length === 2, `${revisions.items.length} revisions`)
    const services = await world.atollJson<{ items: { hostname: string }[] }>(['services'])
    narrator.check(
      'one reviews service, of both clusters',
      services.items.filter((item) => item.hostname.startsWith('reviews.')).length === 1,
      `${services.items.length} services`,
    )
    return story
  } catch (error) {
    await stop()
    throw error
  }
}

interface ReviewsPlace {
  readonly name: string
  readonly version: string
  readonly address: string
  readonly port: number
}

const placeReviews = async (world: World, cluster: WorldCluster, place: ReviewsPlace): Promise<void> => {
  const labels = { app: 'reviews', version: place.version, instance: place.name }
  const entry = workload({ name: place.name, address: place.address, serviceAccount: 'reviews', labels })
  await world.writeRegistry(
    cluster,
    `${place.name}.yaml`,
    [entry, inbound(place.name, { instance: place.name }, place.port)].join('---\n'),
  )
}

const apply = async (world: World, narrator: Narrator, v1: number, v2: number): Promise<void> => {
  const file = join(world.directory, 'reviews.yaml')
  await writeFile(file, split(v1, v2))
  narrator.command('atoll apply --wait -f reviews.yaml')
  const { output, stdout } = await world.atoll(['apply', '--wait', '-f', file])
  for (const line of stdout.split('\n').filter(Boolean)) narrator.say(line)
  const live = /live on (\d+) of (\d+) proxies in 2 of 2 clusters/.exec(output)
  narrator.check(
    'the revision is live on every proxy',
    live !== null && live[1] === live[2] && live[1] !== '0',
    live?.[0] ?? 'not said',
  )
}

const checkSplit = async (story: Story, narrator: Narrator, expected: number): Promise<void> => {
  const seen = await story.requests(400)
  const v1 = [...seen.byApp].filter(([app]) => app.startsWith('reviews-v1')).reduce((sum, [, count]) => sum + count, 0)
  const percent = Math.round(v1 / 4)
  // 400 requests: four standard deviations are at most 10 percent points
  narrator.check(`v1 gets about ${expected} %`, seen.failed === 0 && Math.abs(percent - expected) <= 10, show(seen))
  narrator.check(
    "the callee sees the caller's SPIFFE ID",
    seen.callers.size === 1 && seen.callers.has(frontendIdentity),
    [...seen.callers].join(', '),
  )
}

const show = (seen: { readonly byApp: ReadonlyMap<string, number>; readonly failed: number }): string =>
  [...[...seen.byApp].map(([app, count]) => `${app} ${count}`), `failed ${seen.failed}`].join(', ')
