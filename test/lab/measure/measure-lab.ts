import { systemNamespace } from '#mesh/kubernetes/conventions.ts'
import { toDistribution } from '../../bench/statistics.ts'
import type { LabCluster } from '../harness/cluster.ts'
import { Lab } from '../harness/lab.ts'
import { LabMesh } from '../mesh/lab-mesh.ts'
import { measureWork, watchContainers, type ContainerPlace } from './container-usage.ts'
import { measuredNamespace, toDeployment, toSyntheticEndpoints, toSyntheticService } from './measured-objects.ts'

export interface MeasureOptions {
  /** How often what takes time is done. */
  readonly rounds: number
  /** How many pods with a proxy there are, one measurement after the other, ascending. */
  readonly pods: readonly number[]
  /** Services that are added at last. */
  readonly services: number
}

const namespace = 'measured'
const watchSeconds = 20
const requests = 5000
const changes = 100

/** Measures an installation in a lab of one cluster; `print` hears each result as it is known. */
export const measureLab = async (options: MeasureOptions, print: (line: string) => void): Promise<void> => {
  const labStart = Date.now()
  const lab = await Lab.up({ name: 'measure', clusters: 1, tell: print })
  try {
    print(`one cluster up: ${seconds(labStart)} s`)
    const mesh = await LabMesh.start(lab)
    await measureJoin(mesh, options.rounds, print)
    const cluster = lab.cluster('east')
    await cluster.apply(measuredNamespace)
    await measureDeployments(cluster, options.rounds, print)
    await cluster.apply(
      `${toDeployment({ app: 'echo', replicas: 1, image: 'lab/app' })}---${toDeployment({ app: 'client', replicas: 1 })}`,
    )
    await Promise.all(['app=echo', 'app=client'].map((selector) => cluster.waitForPods(namespace, selector)))
    for (const pods of options.pods) {
      await cluster.apply(toDeployment({ app: 'filler', replicas: pods }))
      await cluster.waitForPods(namespace, 'app=filler', pods, 600_000)
      await measureUse(cluster, `${pods} pods`, print)
    }
    await addServices(cluster, options.services)
    await measureUse(cluster, `${options.pods.at(-1)} pods, ${options.services} Services`, print)
    await measureChanges(cluster, options.services, print)
  } finally {
    await lab.down()
  }
}

const seconds = (sinceMs: number): number => Math.round((Date.now() - sinceMs) / 100) / 10

const printTimes = (what: string, samples: readonly number[], print: (line: string) => void): void =>
  print(`${what}: ${samples.join(', ')} s; median ${toDistribution(samples).p50} s`)

/** The last one stays. */
const measureJoin = async (mesh: LabMesh, rounds: number, print: (line: string) => void): Promise<void> => {
  const samples: number[] = []
  for (let round = 0; round < rounds; round++) {
    if (round > 0) await mesh.world.atoll(['cluster', 'uninstall', 'east', '--context', 'east', '--yes'])
    const startMs = Date.now()
    await mesh.join('east')
    samples.push(seconds(startMs))
  }
  printTimes('atoll cluster join → in sync', samples, print)
}

const measureDeployments = async (
  cluster: LabCluster,
  rounds: number,
  print: (line: string) => void,
): Promise<void> => {
  for (const isInjected of [false, true]) {
    const samples: number[] = []
    for (let round = 0; round < rounds; round++) {
      const deployment = toDeployment({ app: 'fresh', replicas: 2, image: 'lab/app', isInjected })
      const startMs = Date.now()
      await cluster.apply(deployment)
      await cluster.waitForPods(namespace, 'app=fresh', 2)
      samples.push(seconds(startMs))
      await cluster.kubectl(['delete', 'deployment', 'fresh', '-n', namespace, '--cascade=foreground'])
    }
    printTimes(`Deployment applied → two pods ready, ${isInjected ? 'with' : 'without'} a proxy`, samples, print)
  }
}

const findPlaces = async (cluster: LabCluster) => {
  const find = async (inNamespace: string, selector: string, container: string): Promise<ContainerPlace[]> =>
    (await cluster.waitForPods(inNamespace, selector)).map(({ name: pod }) => ({
      namespace: inNamespace,
      pod,
      container,
    }))
  const [agents, gateways, clients, servers] = await Promise.all([
    find(systemNamespace, 'app.kubernetes.io/name=atoll-agent', 'agent'),
    find(systemNamespace, 'atoll.dev/role=east-west-gateway', 'istio-proxy'),
    find(namespace, 'app=client', 'istio-proxy'),
    find(namespace, 'app=echo', 'istio-proxy'),
  ])
  return { agents, gateways, clients, servers }
}

const measureUse = async (cluster: LabCluster, size: string, print: (line: string) => void): Promise<void> => {
  const { agents, gateways, clients, servers } = await findPlaces(cluster)
  const named = [
    ...agents.map((place) => ({ name: 'agent', place })),
    ...gateways.map((place) => ({ name: 'gateway', place })),
    ...clients.map((place) => ({ name: 'sidecar', place })),
  ]
  const consumed = await watchContainers(
    cluster,
    named.map(({ place }) => place),
    watchSeconds,
  )
  named.forEach(({ name }, index) => {
    const { rssMebibytes, peakRssMebibytes, millicores } = consumed[index] ?? {}
    print(`${size}: ${name} idle: ${rssMebibytes} MiB (peak ${peakRssMebibytes}), ${millicores}m CPU`)
  })
  const sidecars = [...clients, ...servers]
  const startMs = Date.now()
  const [client = 0, server = 0] = await measureWork(cluster, sidecars, () => sendRequests(cluster, clients[0]))
  const perThousand = (cpuSeconds: number): string => ((cpuSeconds * 1000) / (requests / 1000)).toFixed(0)
  print(
    `${size}: ${requests} requests in ${seconds(startMs)} s: ${perThousand(client)} ms of the client's sidecar's CPU for 1,000, ${perThousand(server)} ms of the server's`,
  )
  const [loaded] = await watchContainers(cluster, clients, 0)
  print(`${size}: sidecar after load: ${loaded?.rssMebibytes} MiB (peak ${loaded?.peakRssMebibytes})`)
}

const sendRequests = async (cluster: LabCluster, client: ContainerPlace | undefined): Promise<void> => {
  const curl = ['curl', '--silent', '--fail', '--output', '/dev/null', '--parallel', '--parallel-max', '16']
  const url = `http://echo.${namespace}/?[1-${requests}]`
  const { code, output } = await cluster.exec(namespace, client?.pod ?? '', 'app', [...curl, url])
  if (code !== 0) throw new Error(`requests failed: ${output.slice(-1000)}`)
}

const inBatches = function* (count: number, size: number): Generator<number[]> {
  for (let first = 0; first < count; first += size)
    yield Array.from({ length: Math.min(size, count - first) }, (_, index) => first + index)
}

const addServices = async (cluster: LabCluster, services: number): Promise<void> => {
  for (const batch of inBatches(services, 100))
    await cluster.kubectl(['create', '-f', '-'], { input: batch.map((index) => toSyntheticService(index)).join('---') })
}

/** What a change of an endpoint costs the agents, with all of the proxies connected. */
const measureChanges = async (cluster: LabCluster, services: number, print: (line: string) => void): Promise<void> => {
  const { agents } = await findPlaces(cluster)
  const used = await measureWork(cluster, agents, async () => {
    for (const batch of inBatches(changes, 10)) {
      const input = batch.map((index) => toSyntheticEndpoints(index % services, index + 1)).join('---')
      await cluster.kubectl(['replace', '-f', '-'], { input })
    }
  })
  const each = used.map((cpuSeconds) => ((cpuSeconds * 1000) / changes).toFixed(0))
  print(`${changes} endpoint changes: ${each.join(' and ')} ms of the agents' CPU each`)
  const after = await watchContainers(cluster, agents, 0)
  print(`agents at the end: ${after.map((one) => `${one.rssMebibytes} MiB (peak ${one.peakRssMebibytes})`).join(', ')}`)
}
