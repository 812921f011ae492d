import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { z } from 'zod'
import type { AccessLogPage, Trace } from '#api/schemas/telemetry.ts'
import { eventually } from '#test/harness/child.ts'
import { findSilentMetrics } from '#test/harness/prometheus.ts'
import type { LabCluster } from '../harness/cluster.ts'
import { Lab } from '../harness/lab.ts'
import { bookinfo, client, reviewsByUser, reviewsByWeight, subsets, type Workload } from './bookinfo.ts'
import { LabMesh } from './lab-mesh.ts'
import { planeJob, startLabPrometheus } from './lab-prometheus.ts'
import { askForPages, type ProductPage } from './product-page.ts'
import { talkPod, talkScript, talkService } from './talk.ts'

// Istio's Bookinfo over three clusters on three networks. Each test goes on where the one before it ended.
const places: Readonly<Record<string, readonly Workload[]>> = {
  east: ['productpage-v1', 'details-v1'],
  west: ['reviews-v1', 'ratings-v1'],
  north: ['reviews-v2', 'reviews-v3'],
}
const yamlOf = (cluster: LabCluster): string => `${bookinfo(places[cluster.name] ?? [])}---${client}`

let folder: string
let lab: Lab
let mesh: LabMesh

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'atoll-lab-bookinfo-'))
  lab = await Lab.up({ name: 'bookinfo', clusters: 3, network: 'split' })
  mesh = await LabMesh.start(lab)
  await Promise.all(lab.clusters.map(({ name }) => mesh.join(name, '--replicas', '1')))
}, 900_000)
afterAll(async () => {
  await lab?.down()
  await rm(folder, { recursive: true, force: true })
})

const inEachCluster = <T>(work: (cluster: LabCluster) => Promise<T>): Promise<T[]> =>
  Promise.all(lab.clusters.map(work))

const applyEverywhere = async (yaml: string): Promise<void> => {
  const file = join(folder, 'configuration.yaml')
  await writeFile(file, yaml)
  const { output } = await mesh.world.atoll(['apply', '--wait', '-f', file])
  expect(output).toMatch(/is live on (\d+) of \1 proxies in 3 of 3 clusters/)
}

const complete = (page: ProductPage): boolean => page.hasDetails && page.version !== undefined
const countVersions = (pages: readonly ProductPage[]) => new Set(pages.map(({ version }) => version)).size

test('Bookinfo is installed as it is in a namespace with the label', async () => {
  await inEachCluster(async (cluster) => {
    await cluster.kubectl(['create', 'namespace', 'bookinfo'])
    await cluster.kubectl(['label', 'namespace', 'bookinfo', 'istio-injection=enabled'])
    await cluster.kubectl(['apply', '-n', 'bookinfo', '-f', '-'], { input: yamlOf(cluster) })
  })
  const proxies = await inEachCluster(async (cluster) => {
    const names = [...(places[cluster.name] ?? []), 'curl']
    for (const name of names)
      await cluster.kubectl(['rollout', 'status', '-n', 'bookinfo', `deployment/${name}`, '--timeout=90s'])
    const path = 'jsonpath={.items[*].spec.initContainers[*].name}'
    const { stdout } = await cluster.kubectl(['get', 'pods', '-n', 'bookinfo', '-o', path])
    return stdout.split(' ').filter((name) => name === 'istio-proxy').length
  })
  expect(proxies).toEqual([3, 3, 3])
})

test('its Deployments stay as they would be without a mesh', async () => {
  await inEachCluster(async (cluster) => {
    const made = await cluster.kubectl(['get', 'deployments', '-n', 'bookinfo', '-o', 'json'])
    const create = ['create', '--dry-run=server', '-n', 'default', '-f', '-', '-o', 'yaml']
    const elsewhere = await cluster.kubectl(create, { input: yamlOf(cluster) })
    const specs = toDeploymentSpecs(objectList.parse(JSON.parse(made.stdout)).items)
    expect(Object.keys(specs)).toEqual([...(places[cluster.name] ?? []), 'curl'].toSorted())
    expect(specs).toEqual(
      toDeploymentSpecs(parseAllDocuments(elsewhere.stdout).map((document): unknown => document.toJS())),
    )
  })
})

const objectList = z.object({ items: z.array(z.unknown()) })
const someObject = z.object({
  kind: z.string(),
  metadata: z.object({ name: z.string() }),
  spec: z.unknown().optional(),
})
const toDeploymentSpecs = (objects: readonly unknown[]): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    z
      .array(someObject)
      .parse(objects)
      .filter(({ kind }) => kind === 'Deployment')
      .map(({ metadata: { name }, spec }) => [name, spec] as const)
      .toSorted(([left], [right]) => left.localeCompare(right)),
  )

test('each cluster is served the product page, whose parts come from all of them', async () => {
  await eventually('every version is seen in every cluster', async () => {
    const pages = await inEachCluster((cluster) => askForPages(cluster, 12))
    return pages.every((seen) => seen.every(complete) && countVersions(seen) === 3)
  })
  const [page] = await askForPages(lab.cluster('north'), 1)
  expect(page).toMatchObject({ hasDetails: true, version: expect.stringMatching(/^v[123]$/) })
})

test('every application knows who calls it, over all networks', async () => {
  const logs = await inEachCluster(async (cluster) => {
    const read = (name: string) => cluster.kubectl(['logs', '-n', 'bookinfo', `deployment/${name}`])
    return Promise.all((places[cluster.name] ?? []).map(async (name) => [name, (await read(name)).stdout] as const))
  })
  const callers = Object.fromEntries(
    logs.flat().map(([name, log]) => [name, [...new Set(log.match(/(?<= from ).+$/gm))].toSorted()]),
  )
  const account = (name: string) => [`spiffe://lab.atoll.local/ns/bookinfo/sa/${name}`]
  expect(callers).toEqual({
    'productpage-v1': account('curl'),
    'details-v1': account('bookinfo-productpage'),
    'reviews-v1': account('bookinfo-productpage'),
    'reviews-v2': account('bookinfo-productpage'),
    'reviews-v3': account('bookinfo-productpage'),
    'ratings-v1': account('bookinfo-reviews'),
  })
})

test('reviews are split 80/20 between two clusters', async () => {
  await applyEverywhere(`${subsets}---${reviewsByWeight(80, 20)}`)
  const pages = (await inEachCluster((cluster) => askForPages(cluster, 50))).flat()
  expect(pages).toHaveLength(150)
  expect(pages.filter((page) => !complete(page))).toEqual([])
  const count = (version: string): number => pages.filter((page) => page.version === version).length
  // 150 times 20 % is 30; five standard deviations are 24
  expect(count('v2')).toBeGreaterThan(5)
  expect(count('v2')).toBeLessThan(55)
  expect(count('v1') + count('v2')).toBe(150)
})

test('whoever is signed in as jason sees black stars, and everybody else red ones', async () => {
  await applyEverywhere(reviewsByUser)
  const jason = { hasDetails: true, version: 'v2', stars: 'black' }
  const others = { hasDetails: true, version: 'v3', stars: 'red' }
  await inEachCluster(async (cluster) => {
    expect(await askForPages(cluster, 5, 'jason')).toEqual(Array(5).fill(jason))
    expect(await askForPages(cluster, 5, 'anna')).toEqual(Array(5).fill(others))
    expect(await askForPages(cluster, 5)).toEqual(Array(5).fill(others))
  })
})

const startTalk = async (): Promise<void> => {
  const talk = ['apply', '-n', 'bookinfo', '-f', '-']
  await inEachCluster((cluster) => cluster.kubectl(talk, { input: talkService }))
  await lab.cluster('west').kubectl(talk, { input: talkPod })
  await lab.cluster('west').kubectl(['rollout', 'status', '-n', 'bookinfo', 'deployment/talk', '--timeout=90s'])
}

test('a Prometheus has every standard metric of both sides, of each cluster and of the plane', async () => {
  const [query] = await Promise.all([startLabPrometheus(lab, mesh), startTalk()])
  const call = async (cluster: LabCluster): Promise<void> => {
    await askForPages(cluster, 3)
    const [pod] = await cluster.waitForPods('bookinfo', 'app=curl')
    const { code, output } = await cluster.exec('bookinfo', pod?.name ?? '', 'curl', ['sh', '-c', talkScript])
    if (code !== 0) throw new Error(`talk, from ${cluster.name}: ${output}`)
  }
  const traffic = ['http', 'grpc', 'tcp'] as const
  const jobs = lab.clusters.map(({ name }) => name)
  const missing = async (): Promise<string[]> => {
    const found = [jobs.join('|'), planeJob].map((job) =>
      findSilentMetrics(query, { range: '1m', matchers: `,job=~"${job}"`, traffic }),
    )
    return (await Promise.all(found)).flat()
  }
  const isThere = async (): Promise<boolean> => {
    await inEachCluster(call)
    return (await missing()).length === 0
  }
  await eventually('every metric rises', isThere, 90_000).catch(() => {}) // which do not is said below
  expect(await missing()).toEqual([])
  const clusters = await query(
    `count(count by (source_cluster) (istio_requests_total{job="${planeJob}",reporter="destination",source_workload="curl"}))`,
  )
  expect(clusters).toEqual([3])
}, 150_000)

test('one request over two networks is found in the logs, drawn as one trace, and explained', async () => {
  const [pod] = await lab.cluster('north').waitForPods('bookinfo', 'app=curl')
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
  const header = `traceparent: 00-${traceId}-00f067aa0ba902b7-00`
  const url = 'http://productpage:9080/productpage'
  await lab.cluster('north').exec('bookinfo', pod?.name ?? '', 'curl', ['curl', '--silent', '--header', header, url])
  const { world } = mesh
  const clustersOf = (told: readonly { readonly cluster?: string | undefined }[]) => [
    ...new Set(told.map((each) => each.cluster)),
  ]
  await eventually('the caller and the application of another cluster have told of it', async () => {
    const { items } = await world.atollJson<AccessLogPage>(['logs', '--trace', traceId])
    return ['north', 'east'].every((cluster) => clustersOf(items).includes(cluster))
  })
  const trace = await world.atollJson<Trace>(['trace', traceId])
  // The application passes the trace on to what it calls itself.
  expect(trace.spans.map(({ service }) => service)).toContain('details')
  const answer = await world.atoll(['why', 'north/bookinfo/curl', url])
  expect(answer.output).toMatch(/^Reachable/m)
  expect(answer.output).toContain('east-west')
  const refused = await world.atoll(['why', 'north/bookinfo/curl', url, '--no-proxy'], { allowFailure: true })
  expect({ code: refused.code, output: refused.output }).toMatchObject({ code: 9 })
})
