import { beforeAll, describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { eventually } from '#test/harness/child.ts'
import type { ProductPage } from '../mesh/product-page.ts'
import { istioClone, readNetworking, readPlatform } from './istio-files.ts'
import { networkingSamples, toNetworkingYaml, type NetworkingSample } from './own-networking.ts'
import type { PlatformSample } from './own-platform.ts'
import type { SamplesStage } from './samples-stage.ts'
import { visit, visitPages } from './visit.ts'

const namespace = 'bookinfo'

/** Ratings and the databases run in the second cluster, everything else in the first one, where its gateway is. */
export const describeBookinfo = (stage: () => SamplesStage): void => {
  let address: string

  const apply = async (sample: NetworkingSample) => stage().apply(stage().east, namespace, await readNetworking(sample))
  const remove = async (sample: NetworkingSample) =>
    stage().remove(stage().east, namespace, await readNetworking(sample))
  /** Subsets are for the whole mesh: by these labels other clusters tell apart what they have. */
  const applyToMesh = async (sample: NetworkingSample) => stage().applyToMesh(namespace, await readNetworking(sample))
  const install = async (cluster: 'east' | 'west', sample: PlatformSample, in_ = namespace, ...options: string[]) =>
    stage().apply(stage().lab.cluster(cluster), in_, await readPlatform(sample), ...options)
  const readPage = async () => (await visit({ address, host: 'bookinfo.example', path: '/productpage' })).body
  const countVersion = (pages: readonly ProductPage[], version: string) =>
    pages.filter((page) => page.version === version).length

  beforeAll(async () => {
    const [east, west] = [stage().east, stage().lab.cluster('west')]
    await Promise.all([east, west].map((cluster) => stage().createNamespace(cluster, namespace)))
    const all = 'bookinfo/platform/kube/bookinfo'
    await Promise.all(
      (['east', 'west'] as const).map(async (cluster) => {
        for (const selector of ['service', 'account']) await install(cluster, all, namespace, '-l', selector)
        const isOfCluster = cluster === 'east' ? 'app!=ratings' : 'app=ratings'
        await install(cluster, all, namespace, '-l', `version,${isOfCluster}`)
      }),
    )
    await Promise.all([east, west].map((cluster) => stage().untilReady(cluster, namespace)))
    address = await stage().ingressAddress()
  }, 180_000)

  test.each(istioClone === undefined ? [] : networkingSamples)("%s of Istio's says what ours says", async (sample) => {
    const toObjects = (yaml: string) =>
      parseAllDocuments(yaml)
        .map((document): unknown => document.toJS())
        .filter((object) => object !== null)
    expect(toObjects(toNetworkingYaml(sample))).toEqual(toObjects(await readNetworking(sample)))
  })

  describe("Istio's samples of Bookinfo, one after the other", () => {
    test('bookinfo-gateway, destination-rule-all', async () => {
      await apply('bookinfo-gateway')
      await applyToMesh('destination-rule-all')
      const pages = await eventually('every version is seen', async () => {
        const seen = await visitPages(address, 12)
        return (
          new Set(seen.map(({ version }) => version)).size === 3 && seen.every(({ hasDetails }) => hasDetails) && seen
        )
      })
      expect(pages.map(({ version }) => version)).not.toContain(undefined)
      // What the gateway does not route is not there.
      expect((await visit({ address, host: 'bookinfo.example', path: '/health' })).status).toBe(404)
    })

    const ofV1: ProductPage = { hasDetails: true, version: 'v1', stars: 'none' }
    const ofV2: ProductPage = { hasDetails: true, version: 'v2', stars: 'black' }
    const ofV3: ProductPage = { hasDetails: true, version: 'v3', stars: 'red' }
    test.each<[NetworkingSample, ProductPage, ProductPage]>([
      ['virtual-service-all-v1', ofV1, ofV1],
      ['virtual-service-reviews-test-v2', ofV2, ofV1],
      // The product page does not wait so long for the reviews.
      ['virtual-service-ratings-test-delay', { hasDetails: true, version: undefined, stars: 'none' }, ofV1],
      ['virtual-service-ratings-test-abort', { hasDetails: true, version: 'v2', stars: 'unavailable' }, ofV1],
      ['virtual-service-all-v1', ofV1, ofV1],
      ['virtual-service-reviews-jason-v2-v3', ofV2, ofV3],
      ['virtual-service-reviews-v3', ofV3, ofV3],
    ])('%s: what jason sees, and everybody else', async (sample, ofJason, ofOthers) => {
      await apply(sample)
      await eventually('each sees what is theirs', async () => {
        expect(await visitPages(address, 4, 'jason')).toEqual(Array(4).fill(ofJason))
        expect(await visitPages(address, 4, 'anna')).toEqual(Array(4).fill(ofOthers))
        return true
      })
    })

    // 100 times 50 %, 20 % and 10 %; five standard deviations are 25, 20 and 15
    test.each<[NetworkingSample, string, string, number, number]>([
      ['virtual-service-reviews-50-v3', 'v1', 'v3', 25, 75],
      ['virtual-service-reviews-80-20', 'v1', 'v2', 1, 40],
      ['virtual-service-reviews-90-10', 'v1', 'v2', 1, 25],
      ['virtual-service-reviews-v2-v3', 'v2', 'v3', 25, 75],
    ])('%s', async (sample, first, second, least, most) => {
      await apply(sample)
      await eventually('it is in force', async () => {
        const seen = await visitPages(address, 16)
        const count = countVersion(seen, second)
        return count > 0 && countVersion(seen, first) + count === seen.length
      })
      const pages = await visitPages(address, 100)
      expect(countVersion(pages, second)).toBeGreaterThanOrEqual(least)
      expect(countVersion(pages, second)).toBeLessThanOrEqual(most)
      expect(countVersion(pages, first) + countVersion(pages, second)).toBe(100)
    })

    test.each<NetworkingSample>(['destination-rule-reviews', 'destination-rule-all-mtls'])(
      '%s: every version is seen',
      async (sample) => {
        await remove('virtual-service-reviews-v2-v3')
        await applyToMesh(sample)
        const pages = await eventually('every version is seen', async () => {
          const seen = await visitPages(address, 16)
          return new Set(seen.map(({ version }) => version)).size === 3 && seen
        })
        expect(pages.filter(({ hasDetails }) => !hasDetails)).toEqual([])
      },
    )

    test('fault-injection-details-v1', async () => {
      await apply('fault-injection-details-v1')
      const page = await eventually('there are no details', async () => {
        const seen = await readPage()
        return seen.includes('Error fetching product details') && seen
      })
      expect(page).toContain('Reviews served by')
    })

    test('virtual-service-details-v2, egress-rule-google-apis: details from outside, by TLS of the sidecar', async () => {
      await install('east', 'bookinfo/platform/kube/bookinfo-details-v2')
      await stage().untilReady(stage().east, namespace)
      // It has a DestinationRule of the same name, without v2.
      await remove('fault-injection-details-v1')
      await apply('egress-rule-google-apis')
      await apply('virtual-service-details-v2')
      const page = await eventually('the details are those from outside', async () => {
        const seen = await readPage()
        return seen.includes('From outside') && seen
      })
      expect(page).toContain('Reviews served by')
      await remove('virtual-service-details-v2')
      await stage().east.kubectl(['delete', 'deployment', 'details-v2', '-n', namespace])
    })

    test('certmanager-gateway: what a namespace adds to the port of another', async () => {
      const { east } = stage()
      // In a cluster with Istio it is there, and so is the solver when a certificate is asked for.
      await stage().apply(east, 'istio-system', solver)
      await east.apply(await readNetworking('certmanager-gateway'))
      await eventually('the challenge is answered', async () => {
        const challenge = { address, host: 'bookinfo.example', path: '/.well-known/acme-challenge/token' }
        return (await visit(challenge)).body.includes('"/.well-known/acme-challenge/token"')
      })
      expect((await visitPages(address, 1))[0]?.version).toBeDefined()
    })
  })

  describe('ratings of a database in another cluster', () => {
    test.each<[NetworkingSample, PlatformSample, PlatformSample, string, string]>([
      [
        'virtual-service-ratings-db',
        'bookinfo/platform/kube/bookinfo-db',
        'bookinfo/platform/kube/bookinfo-ratings-v2',
        namespace,
        '★★☆☆☆',
      ],
      [
        'virtual-service-ratings-mysql',
        'bookinfo/platform/kube/bookinfo-mysql',
        'bookinfo/platform/kube/bookinfo-ratings-v2-mysql',
        namespace,
        '★★★☆☆',
      ],
      // A machine's name: here of a pod without a proxy.
      [
        'virtual-service-ratings-mysql-vm',
        'bookinfo/platform/kube/bookinfo-mysql',
        'bookinfo/platform/kube/bookinfo-ratings-v2-mysql-vm',
        'vm',
        '★★★☆☆',
      ],
    ])('%s', async (sample, database, ratings, where, stars) => {
      const west = stage().lab.cluster('west')
      if (where === 'vm') await west.kubectl(['create', 'namespace', 'vm'])
      await install('west', database, where)
      await install('west', ratings)
      await Promise.all([stage().untilReady(west, where), stage().untilReady(west, namespace)])
      const countConnections = async () => {
        const log = ['logs', '-n', where, `deployment/${database.endsWith('mysql') ? 'mysqldb' : 'mongodb'}-v1`]
        return (await west.kubectl(log)).stdout.match(/^connection from/gm)?.length ?? 0
      }
      const before = await countConnections()
      await apply(sample)
      const page = await eventually('the stars are those of the database', async () => {
        const seen = await readPage()
        return seen.includes(stars) && seen
      })
      expect(page).toContain(`text-red-500">${stars}<`)
      // A log may be late.
      await eventually('the database was asked', async () => (await countConnections()) > before)
    })
  })
}

const solver = `
apiVersion: v1
kind: Service
metadata: {name: cert-manager-resolver, namespace: istio-system}
spec:
  selector: {app: solver}
  ports: [{port: 8089, name: http}]
---
apiVersion: v1
kind: Pod
metadata: {name: solver, namespace: istio-system, labels: {app: solver}}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: app, image: lab/app, env: [{name: PORT, value: "8089"}]}]
`
