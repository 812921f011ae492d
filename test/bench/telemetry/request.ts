import { fork, type ChildProcess } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually } from '#test/harness/child.ts'
import { EchoApp } from '#test/harness/echo-app.ts'
import { inbound, reviewsService, workload } from '#test/harness/manifests.ts'
import { requestThroughProxy } from '#test/harness/proxy-request.ts'
import { World, type WorldProxy } from '#test/harness/world.ts'
import { signIn } from '../bench-mesh.ts'
import { readUsage } from '../process-usage.ts'
import { toDistribution, type Distribution } from '../statistics.ts'
import type { RequestCommand, RequestRun } from './request-client.ts'

/** Both ways take turns: what else goes on on the machine is then of both. */
const ROUNDS = 3
const WARM_UP_SECONDS = 3
const url = 'http://reviews.default.svc.cluster.local:9080/reviews/1'
const proxyPort = 15007

interface Side {
  readonly milliseconds: Distribution
  readonly failed: number
  /** Of both Envoys together. */
  readonly envoyCpuMicroseconds: number
}

/** Of a request from sidecar to sidecar, by mTLS. */
export interface RequestReport {
  readonly requestsPerSecond: number
  readonly on: Side
  readonly off: Side
}

export interface RequestLoad {
  /** Of each turn. */
  readonly seconds: number
  readonly requestsPerSecond: number
}

const off = `apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: off, namespace: atoll-system}
spec:
  accessLogging: [{disabled: true}]
  metrics: [{providers: [{name: prometheus}], overrides: [{match: {metric: ALL_METRICS, mode: CLIENT_AND_SERVER}, disabled: true}]}]
  tracing: [{disableSpanReporting: true, randomSamplingPercentage: 0}]
`

export const measureRequests = async (
  directory: string,
  load: RequestLoad,
  tell: (step: string) => void,
): Promise<RequestReport> => {
  const world = await World.create(directory)
  const driver = fork(join(import.meta.dirname, 'request-client.ts'))
  const app = await EchoApp.start('reviews')
  try {
    await signIn(world)
    const [client, server] = await startSidecars(world, app)
    const run = (seconds: number) => runLoad(driver, { host: client.address, port: proxyPort, url, ...load, seconds })
    await eventually('a request is answered', async () => {
      const { status } = await requestThroughProxy({ host: client.address, port: proxyPort }, url)
      return status === 200
    })
    const file = join(directory, 'off.yaml')
    await writeFile(file, off)
    const turns = { on: newTurns(), off: newTurns() }
    for (let round = 1; round <= ROUNDS; round += 1)
      for (const side of ['on', 'off'] as const) {
        tell(`${round} of ${ROUNDS}, ${side}`)
        if (side === 'off') await world.atoll(['apply', '--wait', '-f', file])
        else if (round > 1) await world.atoll(['delete', 'Telemetry/atoll-system/off', '--wait'])
        await run(WARM_UP_SECONDS)
        const before = readCpuSeconds([client, server])
        const { milliseconds, failed } = await run(load.seconds)
        turns[side].milliseconds.push(...milliseconds)
        turns[side].failed += failed
        turns[side].cpuSeconds += readCpuSeconds([client, server]) - before
      }
    return { requestsPerSecond: load.requestsPerSecond, on: toSide(turns.on), off: toSide(turns.off) }
  } finally {
    driver.send('close')
    await world.stop()
    await app.stop()
  }
}

const newTurns = () => ({ milliseconds: [] as number[], failed: 0, cpuSeconds: 0 })

const toSide = ({ milliseconds, failed, cpuSeconds }: ReturnType<typeof newTurns>): Side => ({
  milliseconds: toDistribution(milliseconds),
  failed,
  envoyCpuMicroseconds: Math.round((cpuSeconds * 1e6) / (milliseconds.length + failed)),
})

const readCpuSeconds = (proxies: readonly WorldProxy[]): number =>
  proxies.reduce((sum, { envoy }) => sum + (envoy ? readUsage(envoy.pid).cpuSeconds : 0), 0)

const runLoad = (driver: ChildProcess, command: RequestCommand): Promise<RequestRun> => {
  const answer = new Promise<RequestRun>((resolve) => driver.once('message', (run: RequestRun) => resolve(run)))
  driver.send(command)
  return answer
}

/** frontend and reviews, each on an address of its own. */
const startSidecars = async (
  world: World,
  app: EchoApp,
): Promise<readonly [client: WorldProxy, server: WorldProxy]> => {
  const cluster = await world.join('east', 'flat')
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
