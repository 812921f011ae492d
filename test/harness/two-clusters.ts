import { toErrorMessage } from '#mesh/error-message.ts'
import { EchoApp, type Echo } from './echo-app.ts'
import { inbound, reviewsService, workload } from './manifests.ts'
import { requestThroughProxy, type ProxyReply } from './proxy-request.ts'
import type { World, WorldCluster, WorldProxy } from './world.ts'

type Role = Parameters<World['addProxy']>[1]['role']

const proxyPort = 15007
const reviewsUrl = 'http://reviews.default.svc.cluster.local:9080/reviews/1'

export interface Answers {
  readonly byApp: ReadonlyMap<string, number>
  readonly callers: ReadonlySet<string | null>
  readonly failed: number
  /** Why the last one failed. */
  readonly reason: string | undefined
}

export const describeAnswers = (answers: Answers): string =>
  [
    ...[...answers.byApp].map(([app, count]) => `${app} ${count}`),
    `failed ${answers.failed}`,
    ...(answers.reason === undefined ? [] : [answers.reason]),
  ].join(', ')

/**
 * The mesh that the demo and the fault tests work on: `frontend` and `reviews` v1 in east, `reviews` v2 in west, each cluster on a
 * network of its own behind an east-west gateway.
 */
export class TwoClusters {
  readonly world: World
  readonly east: WorldCluster
  readonly west: WorldCluster
  readonly frontend: WorldProxy
  /** A machine of east with a token and a bootstrap, but no work yet. */
  readonly spare: WorldProxy
  readonly frontendIdentity: string
  readonly #apps: EchoApp[]

  private constructor(parts: {
    world: World
    east: WorldCluster
    west: WorldCluster
    frontend: WorldProxy
    spare: WorldProxy
    frontendIdentity: string
    apps: EchoApp[]
  }) {
    this.world = parts.world
    this.east = parts.east
    this.west = parts.west
    this.frontend = parts.frontend
    this.spare = parts.spare
    this.frontendIdentity = parts.frontendIdentity
    this.#apps = parts.apps
  }

  /** Starts the plane, signs in with the set-up token and makes the mesh; `tell` hears the commands. */
  static async startPlane(world: World, tell: (command: string) => void = () => {}): Promise<void> {
    tell('atoll plane serve')
    await world.startPlane()
    await world.signIn(trustDomain(world), tell)
  }

  static async join(world: World, tell: (command: string) => void = () => {}): Promise<TwoClusters> {
    const [east, west] = [await joinCluster(world, 'east', tell), await joinCluster(world, 'west', tell)]
    const [v1, v2] = [await EchoApp.start('reviews-v1'), await EchoApp.start('reviews-v2')]
    await writeWorkload(world, east, { name: 'frontend', serviceAccount: 'frontend', octet: 10 })
    await writeReviews(world, east, { name: 'reviews-v1', version: 'v1', octet: 11, port: v1.port })
    await writeReviews(world, west, { name: 'reviews-v2', version: 'v2', octet: 11, port: v2.port })
    await Promise.all([world.startAgent(east), world.startAgent(west)])
    const add = (cluster: WorldCluster, role: Role, serviceAccount: string, workload: string, octet: number) =>
      world.addProxy(cluster, { role, serviceAccount, workload, octet })
    const [eastGateway, westGateway, frontend, v1Proxy, v2Proxy, spare] = await Promise.all([
      add(east, 'east-west-gateway', 'gateway', 'gateway', 2),
      add(west, 'east-west-gateway', 'gateway', 'gateway', 2),
      add(east, 'sidecar', 'frontend', 'frontend', 10),
      add(east, 'sidecar', 'reviews', 'reviews-v1', 11),
      add(west, 'sidecar', 'reviews', 'reviews-v2', 11),
      add(east, 'sidecar', 'reviews', 'reviews-v1-spare', 12),
    ])
    for (const proxy of [eastGateway, westGateway, frontend, v1Proxy, v2Proxy]) world.startEnvoy(proxy)
    return new TwoClusters({
      world,
      east,
      west,
      frontend,
      spare,
      frontendIdentity: `spiffe://${trustDomain(world)}/ns/default/sa/frontend`,
      apps: [v1, v2],
    })
  }

  /** Puts the spare machine of east to work as another reviews v1. */
  async useSpare(): Promise<void> {
    const app = await EchoApp.start('reviews-v1-spare')
    this.#apps.push(app)
    await writeReviews(this.world, this.east, { name: 'reviews-v1-spare', version: 'v1', octet: 12, port: app.port })
    this.world.startEnvoy(this.spare)
  }

  /** One request from frontend to reviews, through its sidecar's HTTP proxy port; throws when it is not answered with 200. */
  async request(): Promise<Echo> {
    const reply = await this.call()
    if (reply.status !== 200) throw new Error(`${reply.status} ${reply.body.slice(0, 200)}`)
    return JSON.parse(reply.body) as Echo
  }

  /** The same, whatever it is answered with. */
  call(headers: Readonly<Record<string, string>> = {}): Promise<ProxyReply> {
    return requestThroughProxy({ host: this.frontend.address, port: proxyPort }, reviewsUrl, { headers })
  }

  /** Requests one after the other, and who answered them. */
  async requests(count: number): Promise<Answers> {
    const byApp = new Map<string, number>()
    const callers = new Set<string | null>()
    let failed = 0
    let reason: string | undefined
    for (let i = 0; i < count; i++)
      try {
        const echo = await this.request()
        byApp.set(echo.app, (byApp.get(echo.app) ?? 0) + 1)
        callers.add(echo.caller)
      } catch (error) {
        failed++
        reason = toErrorMessage(error)
      }
    return { byApp, callers, failed, reason }
  }

  async stop(): Promise<void> {
    await this.world.stop()
    await Promise.all(this.#apps.map((app) => app.stop()))
  }
}

const trustDomain = (world: World): string => `${world.mesh}.atoll.local`

const joinCluster = async (world: World, name: string, tell: (command: string) => void): Promise<WorldCluster> => {
  tell(`atoll cluster join ${name} --network net-${name}`)
  const cluster = await world.join(name, `net-${name}`)
  await world.writeRegistry(cluster, 'reviews.yaml', reviewsService)
  await writeWorkload(world, cluster, {
    name: 'gateway',
    serviceAccount: 'gateway',
    octet: 2,
    labels: { 'atoll.dev/role': 'east-west-gateway' },
  })
  return cluster
}

const writeWorkload = (
  world: World,
  cluster: WorldCluster,
  entry: { name: string; serviceAccount: string; octet: number; labels?: Readonly<Record<string, string>> },
): Promise<void> =>
  world.writeRegistry(
    cluster,
    `${entry.name}.yaml`,
    workload({ labels: { app: entry.name }, ...entry, address: `${cluster.prefix}.${entry.octet}` }),
  )

const writeReviews = (
  world: World,
  cluster: WorldCluster,
  place: { name: string; version: string; octet: number; port: number },
): Promise<void> => {
  const labels = { app: 'reviews', version: place.version, instance: place.name }
  const address = `${cluster.prefix}.${place.octet}`
  const documents = [
    workload({ name: place.name, address, serviceAccount: 'reviews', labels }),
    inbound(place.name, { instance: place.name }, place.port),
  ]
  return world.writeRegistry(cluster, `${place.name}.yaml`, documents.join('---\n'))
}
