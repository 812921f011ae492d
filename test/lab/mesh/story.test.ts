import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import {
  agentName,
  injectorWebhook,
  proxyConfigMap,
  proxyContainer,
  systemNamespace,
} from '#mesh/kubernetes/conventions.ts'
import { eventually } from '#test/harness/child.ts'
import type { LabCluster } from '../harness/cluster.ts'
import { Lab } from '../harness/lab.ts'
import { takeInventory } from '../inventory.ts'
import { Client, failuresOf, type Answer } from './client.ts'
import { runEmergencyLine } from './emergency-line.ts'
import { LabMesh } from './lab-mesh.ts'
import { frontend, loner, published, reviews, shopNamespace, split } from './shop.ts'

// Each test goes on where the one before it ended.
let folder: string
let lab: Lab
let mesh: LabMesh
let east: LabCluster
let west: LabCluster
let frontendOfEast: Client
let frontendOfWest: Client
let before: string[]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'atoll-lab-mesh-'))
  lab = await Lab.up({ name: 'mesh', clusters: 2, network: 'split' })
  mesh = await LabMesh.start(lab)
  east = lab.cluster('east')
  west = lab.cluster('west')
  frontendOfEast = new Client(east, 'shop', ['frontend', 'app'])
  frontendOfWest = new Client(west, 'shop', ['frontend', 'app'])
  before = await takeInventory(east)
}, 180_000)
afterAll(async () => {
  await lab?.down()
  await rm(folder, { recursive: true, force: true })
})

const reviewsUrl = 'http://reviews.shop:9080/'
const callReviews = (count: number): Promise<Answer[]> => frontendOfEast.call(reviewsUrl, count)

const echo = z.object({ app: z.string(), caller: z.string().nullable() })
const annotated = z.object({ metadata: z.object({ annotations: z.record(z.string(), z.string()) }) })
/** What a pod of reviews, which gives its name, has seen of the request. */
const toEcho = ({ body, failure }: Answer) => {
  if (failure !== undefined) throw new Error(failure)
  return echo.parse(JSON.parse(body))
}

const countVersions = (answers: readonly Answer[]) => {
  const counts = { v1: 0, v2: 0, failed: failuresOf(answers).length }
  for (const { app } of answers.filter(({ failure }) => failure === undefined).map(toEcho))
    counts[app.startsWith('reviews-v1-') ? 'v1' : 'v2']++
  return counts
}

const expectNoFailure = (answers: readonly Answer[]): void => {
  expect(failuresOf(answers)).toEqual([])
  expect(answers.length).toBeGreaterThan(0)
}

const applyToMesh = async (yaml: string): Promise<string> => {
  const file = join(folder, 'configuration.yaml')
  await writeFile(file, yaml)
  return (await mesh.world.atoll(['apply', '--wait', '-f', file])).output
}

test('two clusters join by one command each', async () => {
  const printed = await Promise.all(['east', 'west'].map((name) => mesh.join(name)))
  for (const text of printed) expect(text).toMatch(/Cluster \w+ is in the mesh/)
  const role = 'atoll.dev/role=east-west-gateway'
  await Promise.all([east, west].map((cluster) => cluster.waitForPods(systemNamespace, role, 2)))
}, 360_000)

test('pods of a labelled namespace get a proxy', async () => {
  await Promise.all([
    east.apply(shopNamespace + '---' + reviews('v1') + '---' + frontend),
    west.apply(shopNamespace + '---' + reviews('v2') + '---' + frontend),
  ])
  await Promise.all([
    east.waitForPods('shop', 'app=reviews', 2),
    east.waitForPods('shop', 'app=frontend', 1),
    west.waitForPods('shop', 'app=reviews', 2),
    west.waitForPods('shop', 'app=frontend', 1),
  ])
  const { stdout } = await east.kubectl([
    'get',
    'pods',
    '-n',
    'shop',
    '-o',
    'jsonpath={.items[*].spec.initContainers[*].name}',
  ])
  expect(stdout.split(' ').filter((name) => name === 'istio-proxy')).toHaveLength(3)
}, 120_000)

test('a pod that asks for a proxy itself gets one, in a namespace that does not', async () => {
  await east.apply(loner)
  const answers = await new Client(east, 'plain', ['loner', 'app']).call(reviewsUrl, 1)
  expect(answers.map(toEcho).map(({ caller }) => caller)).toEqual(['spiffe://lab.atoll.local/ns/plain/sa/default'])
}, 90_000)

test('a request reaches both clusters, and the callee sees who calls', async () => {
  await eventually('both versions answer', async () => {
    const { v1, v2, failed } = countVersions(await callReviews(20))
    return v1 > 0 && v2 > 0 && failed === 0
  })
  const callers = (await callReviews(10)).map(toEcho).map(({ caller }) => caller)
  expect(new Set(callers)).toEqual(new Set(['spiffe://lab.atoll.local/ns/shop/sa/frontend']))
}, 90_000)

test('who goes by the annotations of a pod scrapes its application, without a certificate', async () => {
  const [pod] = await east.waitForPods('shop', 'app=reviews', 2)
  const found = await east.kubectl(['get', 'pod', pod?.name ?? '', '-n', 'shop', '-o', 'json'])
  const { annotations } = annotated.parse(JSON.parse(found.stdout)).metadata
  const [port = '', path = ''] = ['port', 'path'].map((what) => annotations[`prometheus.io/${what}`])
  expect([port, path]).toEqual(['15020', '/stats/prometheus'])
  const answers = await frontendOfEast.call(`http://${pod?.address}:${port}${path}`, 1)
  expect(answers.map(toEcho)).toEqual([{ app: pod?.name, caller: null }])
  const [strict] = await frontendOfEast.call(`http://${pod?.address}:8080/metrics`, 1)
  expect(strict?.failure).toBeDefined()
}, 60_000)

describe('what a cluster publishes', () => {
  /** Of one response, as the frontend of a cluster sees it. */
  const publishedHeader = async (cluster: LabCluster): Promise<string | undefined> => {
    const [answer] = await new Client(cluster, 'shop', ['frontend', 'app']).call(reviewsUrl, 1, '--include')
    return /\bx-published: (\S+)/.exec(answer?.body ?? '')?.[1]
  }
  const publishedCondition = async (): Promise<string> => {
    const path = '{.status.conditions[?(@.type=="atoll.dev/Published")]}'
    const { stdout } = await east.kubectl(['get', 'vs', 'reviews', '-n', 'shop', '-o', `jsonpath=${path}`])
    return stdout
  }
  let grant = ''
  const granted = ['--cluster', 'east', '--namespace', 'shop', '--kind', 'VirtualService']

  test('holds there alone until it is granted, and its status has the command', async () => {
    await east.apply(published)
    const condition = await eventually('it is told that there is no grant', async () => {
      const text = await publishedCondition()
      return text.includes('"reason":"NotGranted"') && text
    })
    expect(condition).toContain(`atoll publish grant ${granted.join(' ')}`)
    await eventually('it holds in east', async () => (await publishedHeader(east)) === 'by-east')
    expect(await publishedHeader(west)).toBeUndefined()
  })

  test('is live in both clusters once it is granted', async () => {
    ;({ id: grant } = z.object({ id: z.string() }).parse(await mesh.world.atollJson(['publish', 'grant', ...granted])))
    await eventually('its status says so', async () => (await publishedCondition()).includes('"reason":"Published"'))
    await eventually('it holds in west', async () => (await publishedHeader(west)) === 'by-east')
    expect((await mesh.world.atoll(['get', 'vs', 'reviews', '-n', 'shop'])).output).toMatch(/PUBLISHED BY[^]*east/)
  })

  test('is gone from the other when the grant is revoked, and from both when it is deleted', async () => {
    await mesh.world.atoll(['publish', 'revoke', grant])
    await eventually('it is gone from west', async () => (await publishedHeader(west)) === undefined)
    expect(await publishedHeader(east)).toBe('by-east')
    await eventually('its status says so', async () => (await publishedCondition()).includes('"reason":"NotGranted"'))
    await east.kubectl(['delete', 'vs', 'reviews', '-n', 'shop'])
    await eventually('it is gone from east', async () => (await publishedHeader(east)) === undefined)
  })
})

test('configuration is applied at the edge and known to be live in both clusters', async () => {
  expect(await applyToMesh(split(80, 20))).toMatch(/is live on (\d+) of \1 proxies in 2 of 2 clusters/)
  const { v1, v2, failed } = countVersions(await callReviews(200))
  expect(failed).toBe(0)
  // 200 times 20 % is 40; five standard deviations are 28
  expect(v2).toBeGreaterThan(12)
  expect(v2).toBeLessThan(68)
  expect(v1 + v2).toBe(200)
}, 90_000)

test('the agents of both clusters are replaced one after the other without a failed request', async () => {
  const restart = async () => {
    for (const cluster of [east, west]) {
      await cluster.kubectl(['rollout', 'restart', `deployment/${agentName}`, '-n', systemNamespace])
      await cluster.kubectl(['rollout', 'status', `deployment/${agentName}`, '-n', systemNamespace, '--timeout=180s'])
    }
  }
  expectNoFailure(await frontendOfEast.callDuring(reviewsUrl, restart))
  expect(await applyToMesh(split(0, 100))).toMatch(/is live on (\d+) of \1 proxies in 2 of 2 clusters/)
  expect(countVersions(await callReviews(20))).toEqual({ v1: 0, v2: 20, failed: 0 })
}, 480_000)

test("a cluster's API server is away: its proxies are programmed all the same", async () => {
  let [stoppedMs, startedMs] = [0, 0]
  const answers = await frontendOfEast.callDuring(reviewsUrl, async () => {
    await east.stopApiServer()
    stoppedMs = Date.now()
    expect(await applyToMesh(split(100, 0))).toMatch(/is live on (\d+) of \1 proxies in 2 of 2 clusters/)
    startedMs = Date.now()
    await east.startApiServer()
  })
  expectNoFailure(answers)
  expect(answers.filter(({ sentMs }) => sentMs > stoppedMs && sentMs < startedMs).length).toBeGreaterThan(0)
  expect(countVersions(await callReviews(20))).toEqual({ v1: 20, v2: 0, failed: 0 })
  await applyToMesh(split(0, 100))
}, 120_000)

test('the plane is away: requests go on, and so do changes within a cluster', async () => {
  await mesh.killPlane()
  onTestFinished(() => mesh.startPlane())
  await west.kubectl(['scale', 'deployment/reviews-v2', '-n', 'shop', '--replicas=3'])
  const pods = await west.waitForPods('shop', 'app=reviews', 3)
  const answers: Answer[] = []
  await eventually('each pod answers', async () => {
    answers.push(...(await frontendOfWest.call(reviewsUrl, 20)))
    return pods.every(({ name }) => answers.some(({ body }) => body.includes(`"app":"${name}"`)))
  })
  expectNoFailure(answers)
  // East's connections to the gateway of west stay with the pods that they have led to.
  expect(countVersions(await callReviews(40))).toEqual({ v1: 0, v2: 40, failed: 0 })
}, 120_000)

test('no agent is left: with the line of the runbook pods start without a proxy, until the cluster is joined again', async () => {
  await east.kubectl(['scale', `deployment/${agentName}`, '-n', systemNamespace, '--replicas=0'])
  await east.kubectl([
    'wait',
    '-n',
    systemNamespace,
    'pod',
    '-l',
    `app.kubernetes.io/name=${agentName}`,
    '--for=delete',
    '--timeout=90s',
  ])
  const pod = ['run', 'urgent', '-n', 'shop', '--image=lab/host', '--command', '--', 'sleep', 'infinity']
  expect((await east.kubectl(pod, { allowFailure: true })).output).toContain('failed calling webhook')
  await runEmergencyLine(east)
  await east.kubectl(pod)
  await east.waitForPods('shop', 'run=urgent')
  const { stdout } = await east.kubectl(['get', 'pod', 'urgent', '-n', 'shop', '-o', 'jsonpath={.spec..name}'])
  expect(stdout).not.toContain(proxyContainer)
  await mesh.join('east')
  const policies = [
    'get',
    'mutatingwebhookconfiguration',
    injectorWebhook,
    '-o',
    'jsonpath={.webhooks[*].failurePolicy}',
  ]
  expect(new Set((await east.kubectl(policies)).stdout.split(' '))).toEqual(new Set(['Fail']))
}, 180_000)

test('uninstalling leaves nothing of Atoll in the cluster, and applications as they are', async () => {
  const configMaps = ['get', 'configmaps', '--all-namespaces', `--field-selector=metadata.name=${proxyConfigMap}`]
  const namespaces = async () =>
    (await east.kubectl([...configMaps, '-o', 'jsonpath={.items[*].metadata.namespace}'])).stdout
  expect((await namespaces()).split(' ')).toContain('shop')
  const pods = await east.waitForPods('shop', 'app=reviews', 2)
  const { output } = await mesh.world.atoll(['cluster', 'uninstall', 'east', '--context', 'east', '--yes'])
  expect(output).toContain('Pods in plain, shop keep their proxies until they are restarted')
  expect(await namespaces()).toBe('')
  expect(await east.waitForPods('shop', 'app=reviews', 2)).toEqual(pods)
  await east.kubectl(['delete', 'namespace', 'shop', 'plain'])
  expect(await takeInventory(east)).toEqual(before)
}, 180_000)
