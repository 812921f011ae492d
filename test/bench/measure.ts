import { randomInt, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ApiClient } from '#api/client.ts'
import { applyConfiguration } from '#api/routes/configuration.ts'
import { World, type WorldCluster } from '#test/harness/world.ts'
import { accessFilterNames } from '#xds/build/access-filters.ts'
import { typeUrls } from '#xds/type-url.ts'
import { agentPid, connectOptions, makeTokens, signIn, untilLive } from './bench-mesh.ts'
import { LoadProcess } from './load-process.ts'
import { readUsage } from './process-usage.ts'
import {
  clientDocuments,
  endpointAddress,
  policyDocument,
  routeDocument,
  serviceDocuments,
  serviceFile,
  toEndpointsName,
  toVirtualHostName,
} from './registry-files.ts'
import { toDistribution, toMebibytes, type Distribution } from './statistics.ts'

export interface Size {
  readonly services: number
  readonly endpoints: number
  readonly proxies: number
  /** How often each kind of change is measured. */
  readonly changes: number
}

interface Change {
  readonly median: Distribution
  readonly last: Distribution
}

export interface Report {
  readonly size: Size
  /** Milliseconds from connecting to full configuration. */
  readonly coldOneProxy: number
  readonly coldAllProxies: {
    readonly median: number
    readonly last: number
    readonly mebibytes: number
    readonly agentCpuSeconds: number
  }
  /** File renamed → EDS at the median and at the last of the cluster's proxies. */
  readonly endpointChange: Change & { readonly agentCpuMilliseconds: number; readonly bytes: number }
  readonly burstOf200: number
  /** File renamed in east → EDS at west's proxies. */
  readonly crossClusterEndpointChange: Change
  /** Request sent → VHDS at the proxies of both clusters. */
  readonly routingChange: Change & {
    readonly mebibytes: number
    readonly agentCpuMilliseconds: number
  }
  /** Request sent → ECDS of a policy that is for all proxies of both clusters. */
  readonly policyChange: Change & {
    readonly mebibytes: number
    readonly agentCpuMilliseconds: number
  }
  /** Request sent → the plane answers that the revision is live on all proxies of both clusters, after a quiet time. */
  readonly routingChangeKnownLive: Distribution
  readonly agentPeakRssMebibytes: number
  readonly agentTotalCpuSeconds: number
}

const routeConfiguration = 'http-proxy'
const westProxies = (size: Size): number => Math.min(20, size.proxies)
const now = (): number => performance.timeOrigin + performance.now()

/** One size, on a mesh of its own: two clusters on one network, all services in east, proxies in both. */
export const measure = async (directory: string, size: Size, progress: (text: string) => void): Promise<Report> => {
  const world = await World.create(directory)
  const loads: LoadProcess[] = []
  try {
    progress('starting the plane and two agents')
    const client = await signIn(world)
    const east = await startCluster(world, 'east', size)
    const west = await startCluster(world, 'west', { ...size, services: 0, proxies: westProxies(size) })
    const eastAgent = agentPid(east)

    progress('making machine tokens')
    const expected = { clusters: size.services, endpoints: size.services, virtualHosts: size.services }
    const routes = [routeConfiguration]
    const target = { ...(await connectOptions(client, east)), routes }
    const eastTokens = await makeTokens(client, 'east', size.proxies)
    const westTokens = await makeTokens(client, 'west', westProxies(size))

    progress('cold')
    const [first, ...others] = eastTokens
    if (!first) throw new Error('a size needs at least one proxy')
    const load = new LoadProcess()
    loads.push(load)
    const warmUp = new LoadProcess()
    loads.push(warmUp)
    // the agent has compiled and encoded once before anything is measured, as an agent in production has
    await warmUp.connect({ ...target, proxies: [first], expected })
    await warmUp.close()
    const one = await load.connect({ ...target, proxies: [first], expected })
    const cpuBefore = readUsage(eastAgent).cpuSeconds
    const all = await load.connect({ ...target, proxies: others, expected })
    const coldCpu = readUsage(eastAgent).cpuSeconds - cpuBefore
    const westLoad = new LoadProcess()
    loads.push(westLoad)
    await westLoad.connect({ ...(await connectOptions(client, west)), routes, proxies: westTokens, expected })

    progress(`${size.changes} endpoint changes`)
    const endpoint = await measureEndpointChanges(world, east, size, load, eastAgent)
    progress('a burst of 200 endpoint changes')
    const burst = await measureBurst(world, east, size, load)
    progress(`${size.changes} endpoint changes across clusters`)
    const cross = await measureEndpointChanges(world, east, size, westLoad, eastAgent)
    progress(`${size.changes} routing changes`)
    const routing = await measureRouting(client, size, load, westLoad, eastAgent)
    progress(`${size.changes} policy changes`)
    const policy = await measurePolicy(client, size, load, westLoad, eastAgent)

    progress('routing changes until they are known to be live')
    const live = await measureLive(client)

    const completed = toDistribution(all.completedAt.map((at) => at - all.startedAt))
    const usage = readUsage(eastAgent)
    return {
      size,
      coldOneProxy: toDistribution(one.completedAt.map((at) => at - one.startedAt)).max,
      coldAllProxies: {
        median: completed.p50,
        last: completed.max,
        mebibytes: toMebibytes(all.bytes),
        agentCpuSeconds: coldCpu,
      },
      endpointChange: endpoint,
      burstOf200: burst,
      crossClusterEndpointChange: { median: cross.median, last: cross.last },
      routingChange: routing,
      policyChange: policy,
      routingChangeKnownLive: live,
      agentPeakRssMebibytes: usage.peakRssMebibytes,
      agentTotalCpuSeconds: usage.cpuSeconds,
    }
  } finally {
    await Promise.all(loads.map((load) => load.close()))
    await world.stop()
  }
}

const startCluster = async (world: World, name: string, size: Size): Promise<WorldCluster> => {
  const cluster = await world.join(name, 'flat')
  for (let index = 0; index < size.services; index++)
    await writeService(world, cluster, index, firstAddresses(index, size))
  await world.writeRegistry(cluster, 'clients.yaml', clientDocuments(size.proxies))
  await world.startAgent(cluster)
  return cluster
}

const firstAddresses = (index: number, size: Size): string[] =>
  Array.from({ length: size.endpoints }, (_, endpoint) => endpointAddress(index * size.endpoints + endpoint))

const writeService = (
  world: World,
  cluster: WorldCluster,
  index: number,
  addresses: readonly string[],
): Promise<void> => world.writeRegistry(cluster, serviceFile(index), serviceDocuments(index, addresses))

/** When a change was made, and what each load client then saw of it. */
interface Observed {
  readonly startedAt: number
  readonly answers: readonly { readonly at: readonly number[]; readonly bytes: number }[]
}

/** Makes one change after the other; what they cost the agent, and when they arrived. `bytes`: per change. */
const measureChanges = async (size: Size, agent: number, makeChange: (change: number) => Promise<Observed>) => {
  const medians: number[] = []
  const lasts: number[] = []
  let bytes = 0
  const cpuBefore = readUsage(agent).cpuSeconds
  for (let change = 0; change < size.changes; change++) {
    const { startedAt, answers } = await makeChange(change)
    const arrived = toDistribution(answers.flatMap(({ at }) => at.map((time) => time - startedAt)))
    medians.push(arrived.p50)
    lasts.push(arrived.max)
    bytes += answers.reduce((sum, answer) => sum + answer.bytes, 0)
  }
  return {
    median: toDistribution(medians),
    last: toDistribution(lasts),
    agentCpuMilliseconds: ((readUsage(agent).cpuSeconds - cpuBefore) * 1000) / size.changes,
    bytes: bytes / size.changes,
  }
}

/** Changes one endpoint of one service after the other; the new address is what the client looks for. */
const measureEndpointChanges = async (
  world: World,
  east: WorldCluster,
  size: Size,
  load: LoadProcess,
  agent: number,
) => {
  const measured = await measureChanges(size, agent, async (change) => {
    await sleep(10)
    const service = change % size.services
    const address = freshAddress()
    const { seen } = await load.watch(typeUrls.endpoint, [{ resource: toEndpointsName(service), text: address }])
    const [, ...rest] = firstAddresses(service, size)
    const startedAt = now()
    await writeService(world, east, service, [address, ...rest])
    return { startedAt, answers: [await seen] }
  })
  return { ...measured, bytes: Math.round(measured.bytes) }
}

const measureBurst = async (world: World, east: WorldCluster, size: Size, load: LoadProcess): Promise<number> => {
  const burst = Array.from({ length: 200 }, (_, change) => ({
    service: change % size.services,
    address: freshAddress(),
  }))
  const final = new Map(burst.map(({ service, address }) => [service, address]))
  const { seen } = await load.watch(
    typeUrls.endpoint,
    Array.from(final, ([service, address]) => ({ resource: toEndpointsName(service), text: address })),
  )
  const startedAt = now()
  for (const { service, address } of burst) {
    const [, ...rest] = firstAddresses(service, size)
    await writeService(world, east, service, [address, ...rest])
  }
  return toDistribution((await seen).at.map((at) => at - startedAt)).max
}

const measureRouting = (
  client: ApiClient,
  size: Size,
  load: LoadProcess,
  westLoad: LoadProcess,
  agent: number,
): Promise<Report['routingChange']> =>
  measureApplied(client, size, [load, westLoad], agent, (change, marker) => {
    const service = change % size.services
    return {
      typeUrl: typeUrls.virtualHost,
      resource: toVirtualHostName(service),
      yaml: routeDocument(service, marker),
    }
  })

const measurePolicy = (
  client: ApiClient,
  size: Size,
  load: LoadProcess,
  westLoad: LoadProcess,
  agent: number,
): Promise<Report['policyChange']> =>
  measureApplied(client, size, [load, westLoad], agent, (_, marker) => ({
    typeUrl: typeUrls.extensionConfig,
    resource: accessFilterNames.deny,
    yaml: policyDocument(marker),
  }))

/** Applies one object after the other, each with a text of its own, which the proxies wait for in a resource. */
const measureApplied = async (
  client: ApiClient,
  size: Size,
  loads: readonly LoadProcess[],
  agent: number,
  toChange: (
    change: number,
    marker: string,
  ) => { readonly typeUrl: string; readonly resource: string; readonly yaml: string },
) => {
  const { bytes, ...measured } = await measureChanges(size, agent, async (change) => {
    const marker = `bench-${randomUUID()}`
    const { typeUrl, resource, yaml } = toChange(change, marker)
    const watches = await Promise.all(loads.map((one) => one.watch(typeUrl, [{ resource, text: marker }])))
    const startedAt = now()
    await client.call(applyConfiguration, { params: { mesh: 'demo' }, yaml })
    return { startedAt, answers: await Promise.all(watches.map(({ seen }) => seen)) }
  })
  return { ...measured, mebibytes: toMebibytes(bytes) }
}

/** Agents tell at most once a second how far they are: each change waits until that is no hindrance, as a person's change does. */
const measureLive = async (client: ApiClient): Promise<Distribution> => {
  const samples: number[] = []
  for (let change = 0; change < 10; change++) {
    await sleep(1100)
    const startedAt = now()
    const yaml = routeDocument(0, `live-${randomUUID()}`)
    const { revision } = await client.call(applyConfiguration, { params: { mesh: 'demo' }, yaml })
    await untilLive(client, 'demo', revision)
    samples.push(now() - startedAt)
  }
  return toDistribution(samples)
}

let fresh = randomInt(1, 1 << 20)
/** From 10.128.0.0/9, which the initial addresses do not reach. */
const freshAddress = (): string => endpointAddress((1 << 23) + (fresh++ % (1 << 23)))
