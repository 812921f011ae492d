import { fork, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import type { ApiClient } from '#api/client.ts'
import { applyConfiguration, deleteConfigurationObject } from '#api/routes/configuration.ts'
import { eventually } from '#test/harness/child.ts'
import { EchoApp } from '#test/harness/echo-app.ts'
import { inbound, reviewsService, workload } from '#test/harness/manifests.ts'
import { requestThroughProxy } from '#test/harness/proxy-request.ts'
import { World, type WorldCluster, type WorldProxy } from '#test/harness/world.ts'
import { signIn, untilLive } from './bench-mesh.ts'
import { readUsage } from './process-usage.ts'
import type { RequestCommand, RequestRun } from './request-client.ts'
import { toDistribution, type Distribution } from './statistics.ts'

const WARM_UP_SECONDS = 3
const url = 'http://reviews.default.svc.cluster.local:9080/reviews/1'
const proxyPort = 15007
const mesh = 'demo'

export interface RequestLoad {
  /** Of each turn. */
  readonly seconds: number
  readonly requestsPerSecond: number
}

/** What requests took, in one or more turns. */
export interface Turns {
  readonly milliseconds: readonly number[]
  readonly failed: number
  /** Of both Envoys together. */
  readonly envoyCpuSeconds: number
}

export interface RequestCost {
  readonly milliseconds: Distribution
  readonly failed: number
  /** Of both Envoys together. */
  readonly envoyCpuMicroseconds: number
}

/** Requests from one sidecar (frontend) to another (reviews) by mTLS, in a mesh of one cluster: all as it is published. */
export class SidecarPair {
  readonly world: World
  readonly client: ApiClient
  readonly #app: EchoApp
  readonly #sidecars: Sidecars
  readonly #driver: ChildProcess = fork(join(import.meta.dirname, 'request-client.ts'))

  private constructor(world: World, client: ApiClient, app: EchoApp, sidecars: Sidecars) {
    this.world = world
    this.client = client
    this.#app = app
    this.#sidecars = sidecars
  }

  static async open(directory: string): Promise<SidecarPair> {
    const world = await World.create(directory)
    const app = await EchoApp.start('reviews')
    try {
      const client = await signIn(world)
      const cluster = await world.join('east', 'flat')
      const pair = new SidecarPair(world, client, app, await startSidecars(world, cluster, app))
      await pair.#untilAnswered()
      return pair
    } catch (error) {
      await world.stop()
      await app.stop()
      throw error
    }
  }

  /** One turn, after some seconds that are not measured. */
  async run(load: RequestLoad, headers: Readonly<Record<string, string>> = {}): Promise<Turns> {
    const command = { host: this.#sidecars[0].address, port: proxyPort, url, headers, ...load }
    await this.#drive({ ...command, seconds: WARM_UP_SECONDS })
    const before = this.#readCpuSeconds()
    const run = await this.#drive(command)
    return { ...run, envoyCpuSeconds: this.#readCpuSeconds() - before }
  }

  /** Resolves when it is live at both. */
  async apply(documents: readonly string[]): Promise<void> {
    if (documents.length === 0) return
    const { revision } = await this.client.call(applyConfiguration, { params: { mesh }, yaml: documents.join('---\n') })
    await untilLive(this.client, mesh, revision)
  }

  /** Objects of the namespace default. Resolves when the last is gone from both. */
  async remove(objects: readonly { readonly kind: string; readonly name: string }[]): Promise<void> {
    let newest = 0
    for (const { kind, name } of objects) {
      const params = { mesh, kind, namespace: 'default', name }
      newest = (await this.client.call(deleteConfigurationObject, { params })).revision
    }
    if (newest > 0) await untilLive(this.client, mesh, newest)
  }

  async close(): Promise<void> {
    this.#driver.send('close')
    await this.world.stop()
    await this.#app.stop()
  }

  #untilAnswered(): Promise<unknown> {
    return eventually('a request is answered', async () => {
      const { status } = await requestThroughProxy({ host: this.#sidecars[0].address, port: proxyPort }, url)
      return status === 200
    })
  }

  #drive(command: RequestCommand): Promise<RequestRun> {
    const answer = new Promise<RequestRun>((resolve) => this.#driver.once('message', resolve))
    this.#driver.send(command)
    return answer
  }

  #readCpuSeconds(): number {
    return this.#sidecars.reduce((sum, { envoy }) => sum + (envoy ? readUsage(envoy.pid).cpuSeconds : 0), 0)
  }
}

/** All turns together, each request alike. */
export const toRequestCost = (turns: readonly Turns[]): RequestCost => {
  const milliseconds = turns.flatMap((turn) => turn.milliseconds)
  const sum = (of: (turn: Turns) => number): number => turns.reduce((total, turn) => total + of(turn), 0)
  const failed = sum((turn) => turn.failed)
  return {
    milliseconds: toDistribution(milliseconds),
    failed,
    envoyCpuMicroseconds: Math.round(
      (sum(({ envoyCpuSeconds }) => envoyCpuSeconds) * 1e6) / (milliseconds.length + failed),
    ),
  }
}

type Sidecars = readonly [client: WorldProxy, server: WorldProxy]

/** frontend and reviews, each on an address of its own. */
const startSidecars = async (world: World, cluster: WorldCluster, app: EchoApp): Promise<Sidecars> => {
  const entry = (name: string, octet: number) =>
    workload({ name, address: `${cluster.prefix}.${octet}`, labels: { app: name }, serviceAccount: name })
  await world.writeRegistry(
    cluster,
    'all.yaml',
    [
      reviewsService,
      entry('frontend', 10),
      entry('reviews', 11),
      inbound('reviews', { app: 'reviews' }, app.port),
    ].join('---\n'),
  )
  await world.startAgent(cluster)
  const add = (name: string, octet: number) =>
    world.addProxy(cluster, { role: 'sidecar', serviceAccount: name, workload: name, octet })
  const sidecars = [await add('frontend', 10), await add('reviews', 11)] as const
  for (const sidecar of sidecars) world.startEnvoy(sidecar)
  return sidecars
}
