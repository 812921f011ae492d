import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { systemNamespace } from '#mesh/kubernetes/conventions.ts'
import { eventually } from '#test/harness/child.ts'
import type { LabCluster } from '../harness/cluster.ts'
import { Lab } from '../harness/lab.ts'
import { LabMesh } from './lab-mesh.ts'
import { frontend, loner, published, reviews, shopNamespace, split } from './shop.ts'

// Each test goes on where the one before it ended.
let folder: string
let lab: Lab
let mesh: LabMesh
let east: LabCluster
let west: LabCluster

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'atoll-lab-mesh-'))
  lab = await Lab.up({ name: 'mesh', clusters: 2, network: 'split' })
  mesh = await LabMesh.start(lab)
  east = lab.cluster('east')
  west = lab.cluster('west')
}, 180_000)
afterAll(async () => {
  await lab?.down()
  await rm(folder, { recursive: true, force: true })
})

const answer = z.object({ app: z.string(), caller: z.string().nullable() })
type Answer = z.infer<typeof answer>

/** The frontend's requests, one after the other, by its own container: it knows nothing of a proxy. An answer that is none is undefined. */
const callReviews = async (count: number, pauseSeconds = 0): Promise<(Answer | undefined)[]> => {
  const [pod] = await east.waitForPods('shop', 'app=frontend')
  const loop = `for i in $(seq ${count}); do curl --silent --max-time 5 http://reviews:9080/; echo; sleep ${pauseSeconds}; done`
  const { stdout } = await east.exec('shop', pod?.name ?? '', 'app', ['sh', '-c', loop])
  return stdout.trimEnd().split('\n').map(parseAnswer)
}

const parseAnswer = (line: string): Answer | undefined => {
  try {
    return answer.parse(JSON.parse(line))
  } catch {
    return undefined
  }
}

const countApps = (answers: readonly (Answer | undefined)[]) => {
  const counts = { v1: 0, v2: 0, failed: 0 }
  for (const each of answers) {
    if (each?.app === 'reviews-v1') counts.v1++
    else if (each?.app === 'reviews-v2') counts.v2++
    else counts.failed++
  }
  return counts
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
}, 180_000)

test('pods of a labelled namespace get a proxy, and their YAML stays as it was', async () => {
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
  const [pod] = await east.waitForPods('plain', 'app=loner', 1)
  const { stdout } = await east.exec('plain', pod?.name ?? '', 'app', [
    'curl',
    '--silent',
    '--max-time',
    '5',
    'http://reviews.shop:9080/',
  ])
  expect(parseAnswer(stdout)?.caller).toBe('spiffe://lab.atoll.local/ns/plain/sa/default')
}, 90_000)

test('a request reaches both clusters, and the callee sees who calls', async () => {
  await eventually('both versions answer', async () => {
    const { v1, v2, failed } = countApps(await callReviews(20))
    return v1 > 0 && v2 > 0 && failed === 0
  })
  const callers = (await callReviews(10)).map((each) => each?.caller)
  expect(new Set(callers)).toEqual(new Set(['spiffe://lab.atoll.local/ns/shop/sa/frontend']))
}, 90_000)

describe('what a cluster publishes', () => {
  /** Of one response, as the frontend of a cluster sees it. */
  const publishedHeader = async (cluster: LabCluster): Promise<string | undefined> => {
    const [pod] = await cluster.waitForPods('shop', 'app=frontend')
    const curl = ['curl', '--silent', '--max-time', '5', '--include', 'http://reviews:9080/']
    const { stdout } = await cluster.exec('shop', pod?.name ?? '', 'app', curl)
    return /^x-published: (\S+)/m.exec(stdout)?.[1]
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
  const { v1, v2, failed } = countApps(await callReviews(200))
  expect(failed).toBe(0)
  // 200 times 20 % is 40; five standard deviations are 28
  expect(v2).toBeGreaterThan(12)
  expect(v2).toBeLessThan(68)
  expect(v1 + v2).toBe(200)
}, 90_000)

test('the agents of both clusters are replaced one after the other without a failed request', async () => {
  const load = callReviews(300, 0.05)
  for (const cluster of [east, west]) {
    await cluster.kubectl(['rollout', 'restart', 'deployment/atoll-agent', '-n', systemNamespace])
    await cluster.kubectl(['rollout', 'status', 'deployment/atoll-agent', '-n', systemNamespace, '--timeout=90s'])
  }
  expect(countApps(await load)).toMatchObject({ failed: 0 })
  expect(await applyToMesh(split(0, 100))).toMatch(/is live on (\d+) of \1 proxies in 2 of 2 clusters/)
  expect(countApps(await callReviews(20))).toEqual({ v1: 0, v2: 20, failed: 0 })
}, 240_000)

test("a cluster's API server is away: its proxies are programmed all the same", async () => {
  // A shell in the frontend needs the API server: it calls before, while and after.
  const load = callReviews(100, 0.1)
  await east.waitForPods('shop', 'app=frontend')
  await east.stopApiServer()
  expect(await applyToMesh(split(100, 0))).toMatch(/is live on (\d+) of \1 proxies in 2 of 2 clusters/)
  await east.startApiServer()
  await load
  expect(countApps(await callReviews(20))).toEqual({ v1: 20, v2: 0, failed: 0 })
  await applyToMesh(split(0, 100))
}, 120_000)

test('the plane is away: requests go on, and so do changes within a cluster', async () => {
  await mesh.killPlane()
  await west.kubectl(['scale', 'deployment/reviews-v2', '-n', 'shop', '--replicas=3'])
  await west.waitForPods('shop', 'app=reviews', 3)
  expect(countApps(await callReviews(40))).toEqual({ v1: 0, v2: 40, failed: 0 })
  await mesh.startPlane()
}, 120_000)

test('uninstalling leaves nothing of Atoll in the cluster', async () => {
  await east.kubectl(['delete', 'namespace', 'shop'])
  const { output } = await mesh.world.atoll(['cluster', 'uninstall', 'east', '--context', 'east', '--yes'])
  expect(output).toContain('Pods in plain keep their proxies until they are restarted')
  const { stdout } = await east.kubectl([
    'get',
    'namespaces,clusterroles,mutatingwebhookconfigurations,crds',
    '-o',
    'name',
  ])
  expect(stdout.split('\n').filter((name) => /atoll|istio/.test(name))).toEqual([])
}, 120_000)
