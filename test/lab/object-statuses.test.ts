import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { stringify } from 'yaml'
import { z } from 'zod'
import { buildAgentAccess } from '#cli/kubernetes/manifests/agent-access.ts'
import { agentName, systemNamespace } from '#mesh/kubernetes/conventions.ts'
import { eventually } from '#test/harness/child.ts'
import { World } from '#test/harness/world.ts'
import { AgentReplica } from './agent-replica.ts'
import type { LabCluster } from './harness/cluster.ts'
import { Lab } from './harness/lab.ts'
import { repository } from './harness/paths.ts'
import { toYaml } from './to-yaml.ts'

vi.setConfig({ testTimeout: 600_000 })

/** What people see of configuration objects, in a real cluster and at a real plane, of an agent with an installed one's rights. */
let folder: string
let world: World
let lab: Lab
let cluster: LabCluster
let agent: AgentReplica

const kubectl = async (...args: string[]): Promise<string> => (await cluster.kubectl(args)).stdout

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'atoll-statuses-'))
  world = await World.create(folder)
  lab = await Lab.up({ name: 'statuses', clusters: 1 })
  await world.startPlane()
  cluster = lab.cluster('east')
  vi.stubEnv('KUBECONFIG', lab.kubeconfig)
  await world.signIn()
  const joining = ['cluster', 'join', 'east', '--network', 'net-east', '--kind', 'kubernetes']
  const joinToken = (await world.atoll(joining)).stdout
  await kubectl('apply', '--server-side', '-f', `${repository}/deploy/helm/atoll/crds`)
  await kubectl('wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s')
  const namespaces = [systemNamespace, 'shop'].map((name) => ({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name },
  }))
  await cluster.apply(toYaml([...namespaces, ...buildAgentAccess(), service]))
  agent = await AgentReplica.start(folder, 'agent-1', { cluster, planeUrl: world.url, joinToken })
}, 900_000)

afterAll(async () => {
  vi.unstubAllEnvs()
  await agent?.process.kill()
  await world?.stop()
  await lab?.down()
  await rm(folder, { recursive: true, force: true })
}, 60_000)

const service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'reviews', namespace: 'shop' },
  spec: { selector: { app: 'reviews' }, ports: [{ name: 'http', port: 80 }] },
}

const virtualService = (name: string, route: object, annotations = {}) =>
  stringify({
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name, namespace: 'shop', annotations },
    spec: { hosts: ['reviews'], http: [route] },
  })
const good = { timeout: '3s', route: [{ destination: { host: 'reviews' } }] }
const unsupported = { ...good, fault: { abort: { http2Error: 'REFUSED_STREAM' } } }

const kubernetesCondition = z.looseObject({
  type: z.string(),
  status: z.string(),
  reason: z.string().optional(),
  message: z.string().optional(),
  observedGeneration: z.int().optional(),
})
const found = z.object({
  metadata: z.object({ generation: z.int(), resourceVersion: z.string() }),
  status: z.object({ conditions: z.array(kubernetesCondition).default([]) }).default({ conditions: [] }),
})

const find = async (name: string) =>
  found.parse(JSON.parse(await kubectl('get', 'virtualservice', name, '-n', 'shop', '-o', 'json')))

/** A machine with other work takes its time. */
const patiently = <T>(what: string, condition: () => Promise<T | false>): Promise<T> =>
  eventually(what, condition, 180_000, 200)

/** "Accepted=False Unsupported" of all conditions, once `wanted` is among them, of the object as it is now. */
const conditions = (name: string, wanted: string): Promise<string[]> =>
  patiently(`${name} says ${wanted}`, async () => {
    const { metadata, status } = await find(name)
    const isCurrent = status.conditions.every(
      ({ observedGeneration = metadata.generation }) => observedGeneration === metadata.generation,
    )
    const texts = status.conditions.map(
      ({ type, status: value, reason }) => `${type.replace('atoll.dev/', '')}=${value} ${reason}`,
    )
    return isCurrent && texts.includes(wanted) && texts
  })

const well = [
  'Accepted=True Accepted',
  'Effective=True Effective',
  'Conflicted=False NoConflicts',
  'ResolvedRefs=True ResolvedRefs',
]

test('an object that is refused says where and why; mended, all is well with it', async () => {
  await cluster.apply(virtualService('routes', unsupported))
  expect(await conditions('routes', 'Accepted=False Unsupported')).toEqual([
    'Accepted=False Unsupported',
    'Effective=False NotAccepted',
    'Conflicted=False NoConflicts',
    'ResolvedRefs=Unknown NotEffective',
  ])
  expect((await find('routes')).status.conditions[0]?.message).toBe(
    'spec.http[0].fault.abort.http2Error is not supported upstream either: use httpStatus',
  )
  await cluster.apply(virtualService('routes', good))
  expect(await conditions('routes', 'Accepted=True Accepted')).toEqual(well)
  await kubectl('wait', 'virtualservice/routes', '-n', 'shop', '--for=condition=atoll.dev/Effective', '--timeout=10s')
  await cluster.apply(virtualService('routes', { route: [{ destination: { host: 'nowhere' } }] }))
  expect(await conditions('routes', 'ResolvedRefs=False DanglingReference')).toContain('Accepted=True Accepted')
  await cluster.apply(virtualService('routes', good))
  await conditions('routes', 'ResolvedRefs=True ResolvedRefs')
})

const planeStatus = z.object({
  status: z
    .object({
      clusters: z.array(z.object({ cluster: z.string(), conditions: z.array(z.looseObject({ reason: z.string() })) })),
    })
    .optional(),
})
const atPlane = async () => {
  const { status } = planeStatus.parse(await world.atollJson(['get', 'vs', 'routes', '-n', 'shop']))
  return status?.clusters.map(({ cluster: name, conditions: all }) => [name, ...all.map(({ reason }) => reason)]) ?? []
}
const applyToMesh = async (yaml: string): Promise<void> => {
  await writeFile(join(folder, 'mesh.yaml'), yaml)
  await world.atoll(['apply', '-f', join(folder, 'mesh.yaml')])
}

test('where the mesh has an object of the same key, both sides tell whose holds', async () => {
  await applyToMesh(virtualService('routes', good, { 'atoll.dev/precedence': 'override' }))
  expect(await conditions('routes', 'Effective=False MeshObjectHolds')).toContain('Conflicted=True SameKey')
  await patiently('the plane knows', async () => JSON.stringify(await atPlane()) === '[["east","SameKey"]]')
  await applyToMesh(virtualService('routes', good))
  expect(await conditions('routes', 'Effective=True Effective')).toContain('Conflicted=True SameKey')
  await patiently(
    'the plane knows',
    async () => JSON.stringify(await atPlane()) === '[["east","ClusterObjectHolds","SameKey"]]',
  )
  const { output } = await world.atoll(['get', 'vs', 'routes', '-n', 'shop'])
  expect(output).toContain("east: atoll.dev/Effective=False (ClusterObjectHolds) the cluster's own object of this key")
  expect((await world.atoll(['cluster', 'show', 'east'])).output).toMatch(/Objects +2 things are wrong/)
  await world.atoll(['delete', 'vs', 'routes', '-n', 'shop'])
  expect(await conditions('routes', 'Conflicted=False NoConflicts')).toEqual(well)
  await patiently('nothing is wrong', async () =>
    (await world.atoll(['cluster', 'show', 'east'])).output.includes("nothing is wrong with the mesh's"),
  )
})

test("another writer's condition stays, also one that takes ours away", async () => {
  const reconciled = { type: 'Reconciled', status: 'True', reason: 'Theirs' }
  const patch = JSON.stringify({ status: { conditions: [reconciled] } })
  await kubectl('patch', 'virtualservice', 'routes', '-n', 'shop', '--subresource=status', '--type=merge', '-p', patch)
  expect(await conditions('routes', 'Accepted=True Accepted')).toEqual(['Reconciled=True Theirs', ...well])
  await cluster.apply(virtualService('routes', unsupported))
  // What it said before goes on.
  expect(await conditions('routes', 'Accepted=False Unsupported')).toEqual([
    'Reconciled=True Theirs',
    'Accepted=False Unsupported',
    'Effective=False EarlierHolds',
    'Conflicted=False NoConflicts',
    'ResolvedRefs=Unknown NotEffective',
  ])
  await cluster.apply(virtualService('routes', good))
  await conditions('routes', 'Accepted=True Accepted')
})

test('a hundred objects come together, and an agent that starts again writes nothing that is there', async () => {
  const names = Array.from({ length: 100 }, (_, index) => `burst-${index}`)
  await cluster.apply(names.map((name) => virtualService(name, good)).join('---\n'))
  const versions = () =>
    kubectl(
      'get',
      'virtualservices',
      '-n',
      'shop',
      '-o',
      'jsonpath={range .items[*]}{.metadata.name} {.metadata.resourceVersion} {.status.conditions[?(@.type=="atoll.dev/Accepted")].status}{"\\n"}{end}',
    )
  await patiently(
    'all have their conditions',
    async () => (await versions()).split('\n').filter((line) => line.endsWith(' True')).length === 101,
  )
  await conditions('burst-99', 'Conflicted=True SameClaim')
  // The last conditions are written when one that comes after them is.
  await cluster.apply(virtualService('later', good))
  await conditions('later', 'Conflicted=True SameClaim')
  const before = await versions()
  await agent.process.kill()
  agent.startAgain()
  await cluster.apply(virtualService('latest', good))
  await conditions('latest', 'Conflicted=True SameClaim')
  const after = (await versions()).split('\n').filter((line) => !line.startsWith('latest '))
  expect(after.join('\n')).toBe(before)
})

test('the agent may write statuses, and nothing else of these objects', async () => {
  const as = `system:serviceaccount:${systemNamespace}:${agentName}`
  const may = async (verb: string, ...subresource: readonly string[]) => {
    const args = ['auth', 'can-i', verb, 'virtualservices.networking.istio.io', '--as', as, '-n', 'shop']
    return (await cluster.kubectl([...args, ...subresource], { allowFailure: true })).stdout.trim()
  }
  expect(await may('patch', '--subresource=status')).toBe('yes')
  expect(await may('update', '--subresource=status')).toBe('no')
  for (const verb of ['patch', 'update', 'create', 'delete']) expect(await may(verb)).toBe('no')
})

test('an uninstall takes our conditions away, and leaves those of others', async () => {
  await agent.process.kill()
  await world.atoll(['cluster', 'uninstall', 'east', '--context', cluster.name, '--yes'])
  expect((await find('routes')).status.conditions).toEqual([{ type: 'Reconciled', status: 'True', reason: 'Theirs' }])
  expect((await find('burst-0')).status.conditions).toEqual([])
})
