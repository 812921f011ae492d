import { beforeAll, describe, expect, test } from 'vitest'
import { proxyAdminPort, proxyContainer } from '#mesh/kubernetes/conventions.ts'
import { eventually } from '#test/harness/child.ts'
import { Client, failuresOf } from '../mesh/client.ts'
import { readHelloworld, readPlatform } from './istio-files.ts'
import { localities, type SamplesStage } from './samples-stage.ts'
import { localityDistribution, localityFailover } from './tasks.ts'

const namespace = 'sample'
type Cluster = keyof typeof localities
const clusters = Object.keys(localities) as Cluster[]

/** One cluster a locality, as in Istio's tasks. */
export const describeLocality = (stage: () => SamplesStage): void => {
  let client: Client
  const clusterOf = (cluster: Cluster) => stage().lab.cluster(cluster)

  /** How many of the answers came from where. */
  const countLocalities = async (count: number): Promise<Readonly<Record<string, number>>> => {
    const answers = await client.call('http://helloworld.sample:5000/hello', count)
    expect(failuresOf(answers)).toEqual([])
    const versions = answers.map(({ body }) => /^Hello version: (\S+), instance: helloworld-/.exec(body)?.[1] ?? body)
    return Object.fromEntries([...new Set(versions)].map((each) => [each, versions.filter((v) => v === each).length]))
  }
  const untilAllFrom = (cluster: Cluster) =>
    eventually(`${localities[cluster]} answers`, async () => {
      expect(await countLocalities(10)).toEqual({ [localities[cluster]]: 10 })
      return cluster
    })
  /** As in the task. */
  const drain = async (cluster: Cluster): Promise<void> => {
    const [pod] = await clusterOf(cluster).waitForPods(namespace, 'app=helloworld')
    const request = ['curl', '-sSL', '-X', 'POST', `127.0.0.1:${proxyAdminPort}/drain_listeners`]
    await clusterOf(cluster).exec(namespace, pod?.name ?? '', proxyContainer, request)
  }
  const renew = async (cluster: Cluster): Promise<void> => {
    await clusterOf(cluster).kubectl(['delete', 'pod', '-n', namespace, '-l', 'app=helloworld', '--wait=false'])
    await stage().untilReady(clusterOf(cluster), namespace)
  }

  beforeAll(async () => {
    await Promise.all(
      clusters.map(async (cluster) => {
        await stage().createNamespace(clusterOf(cluster), namespace)
        await stage().apply(clusterOf(cluster), namespace, await readHelloworld(localities[cluster]))
      }),
    )
    await stage().apply(stage().east, namespace, await readPlatform('sleep/sleep'))
    await Promise.all(clusters.map((cluster) => stage().untilReady(clusterOf(cluster), namespace)))
    client = new Client(stage().east, namespace, ['sleep', 'sleep'])
  }, 120_000)

  describe("Istio's locality tasks, over four clusters", () => {
    test('without a rule every locality answers', async () => {
      const counts = await eventually('each answers', async () => {
        const seen = await countLocalities(20)
        return Object.keys(seen).length === clusters.length && seen
      })
      expect(Object.keys(counts).toSorted()).toEqual(Object.values(localities).toSorted())
    })

    test('failover: from zone to zone, then to the region that is named, then to any; and back when it is there again', async () => {
      await stage().apply(stage().east, namespace, localityFailover)
      const seen = [await untilAllFrom('east')]
      for (const [index, cluster] of clusters.slice(0, -1).entries()) {
        await drain(cluster)
        seen.push(await untilAllFrom(clusters[index + 1] as Cluster))
      }
      for (const cluster of clusters.slice(0, -1).toReversed()) {
        await renew(cluster)
        seen.push(await untilAllFrom(cluster))
      }
      expect(seen).toEqual([...clusters, 'north', 'west', 'east'])
    })

    test('distribute: 70, 20 and 10 percent, and nothing elsewhere', async () => {
      await stage().apply(stage().east, namespace, localityDistribution)
      await eventually('it is in force', async () => {
        const counts = await countLocalities(20)
        return Object.keys(counts).length > 1 && counts[localities.north] === undefined
      })
      const counts = await countLocalities(200)
      expect(counts[localities.north]).toBeUndefined()
      // 200 times 70 %, 20 % and 10 %; five standard deviations are 32, 28 and 21
      expect(Math.abs((counts[localities.east] ?? 0) - 140)).toBeLessThan(33)
      expect(Math.abs((counts[localities.west] ?? 0) - 40)).toBeLessThan(29)
      expect(Math.abs((counts[localities.south] ?? 0) - 20)).toBeLessThan(20)
    })
  })
}
