import { setTimeout as sleep } from 'node:timers/promises'
import { parseUsage, type Usage } from '../../bench/process-usage.ts'
import type { LabCluster } from '../harness/cluster.ts'

/** A container of a pod; its program is the only one that counts. */
export interface ContainerPlace {
  readonly namespace: string
  readonly pod: string
  readonly container: string
}

/** What a container's program has used so far. */
export const readContainerUsage = async (cluster: LabCluster, place: ContainerPlace): Promise<Usage> => {
  const { namespace, pod, container } = place
  const { stdout } = await cluster.exec(namespace, pod, container, ['cat', '/proc/1/stat', '/proc/1/status'])
  const [stat = '', ...status] = stdout.split('\n')
  return parseUsage(stat, status.join('\n'))
}

export interface Consumption {
  readonly rssMebibytes: number
  readonly peakRssMebibytes: number
  readonly millicores: number
}

/** What containers use in so many seconds, each. */
export const watchContainers = async (
  cluster: LabCluster,
  places: readonly ContainerPlace[],
  seconds: number,
): Promise<Consumption[]> => {
  const before = await Promise.all(places.map((place) => readContainerUsage(cluster, place)))
  const startMs = Date.now()
  await sleep(seconds * 1000)
  const passed = (Date.now() - startMs) / 1000
  const after = await Promise.all(places.map((place) => readContainerUsage(cluster, place)))
  return after.map((usage, index) => ({
    rssMebibytes: usage.rssMebibytes,
    peakRssMebibytes: usage.peakRssMebibytes,
    millicores: Math.round(((usage.cpuSeconds - (before[index]?.cpuSeconds ?? 0)) / passed) * 1000),
  }))
}

/** CPU seconds that containers spend on a piece of work, each. */
export const measureWork = async (
  cluster: LabCluster,
  places: readonly ContainerPlace[],
  work: () => Promise<unknown>,
): Promise<number[]> => {
  const before = await Promise.all(places.map((place) => readContainerUsage(cluster, place)))
  await work()
  const after = await Promise.all(places.map((place) => readContainerUsage(cluster, place)))
  return after.map(({ cpuSeconds }, index) => cpuSeconds - (before[index]?.cpuSeconds ?? 0))
}
