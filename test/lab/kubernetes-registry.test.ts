import { KubeConfig } from '@kubernetes/client-node'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock, type Clock } from '#agent/clock.ts'
import { KubernetesClient } from '#agent/kubernetes/kubernetes-client.ts'
import { MachineEntries, machineEntryKind } from '#agent/kubernetes/machine-entries.ts'
import { SecretCredentials } from '#agent/kubernetes/secret-credentials.ts'
import { ObjectClient } from '#agent/kubernetes/object-client.ts'
import { KubernetesRegistry } from '#agent/registry/kubernetes/kubernetes-registry.ts'
import { buildAgentAccess } from '#cli/kubernetes/manifests/agent-access.ts'
import { agentName, agentSecretsRole, systemNamespace } from '#mesh/kubernetes/conventions.ts'
import { clusterName, networkName } from '#mesh/names.ts'
import type { CatalogEntry } from '#mesh/service.ts'
import type { Workload } from '#mesh/workload.ts'
import { TestRoot } from '#test/agent/test-pki.ts'
import { eventually } from '#test/harness/child.ts'
import type { LabCluster } from './harness/cluster.ts'
import { Lab } from './harness/lab.ts'
import { repository } from './harness/paths.ts'
import { BreakableConnection } from './registry/breakable-connection.ts'

/** The registry of a real cluster, read with no more rights than an installed agent has. */
let lab: Lab
let cluster: LabCluster
let way: BreakableConnection
let client: KubernetesClient
let registry: KubernetesRegistry
let machineEntries: MachineEntries

const catalog = new Map<string, CatalogEntry>()
const workloads = new Map<string, Workload>()
const config = new Map<string, unknown>()
/** Kind and key of what changed, in order. */
const told: string[] = []
const gateways: { latest: unknown } = { latest: undefined }

/** What is looked at again after a while is looked at soon. */
const hurriedClock: Clock = {
  now: () => systemClock.now(),
  after: (delayMilliseconds, task) => systemClock.after(Math.min(delayMilliseconds, 1000), task),
}

const shop = (replicas: number): string => `
apiVersion: v1
kind: Namespace
metadata: { name: shop }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: reviews, namespace: shop }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: reviews } }
  template:
    metadata: { labels: { app: reviews, version: v1 } }
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{ name: app, image: lab/app, ports: [{ name: web, containerPort: 8080 }] }]
---
apiVersion: v1
kind: Service
metadata: { name: reviews, namespace: shop }
spec: { selector: { app: reviews }, ports: [{ name: http, port: 80, targetPort: web }] }
---
apiVersion: v1
kind: Service
metadata: { name: idle, namespace: shop }
spec: { selector: { app: nobody }, ports: [{ name: http, port: 80 }] }
`

const key = (name: string): string => `shop/${name}.shop.svc.cluster.local`
const endpoints = (name: string) => catalog.get(key(name))?.endpoints ?? []

beforeAll(async () => {
  lab = await Lab.up({ name: 'registry', clusters: 1 })
  cluster = lab.cluster('east')
  await cluster.kubectl(['create', 'namespace', systemNamespace])
  await cluster.apply(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: buildAgentAccess() }))
  await cluster.apply(shop(2))
  const { stdout: token } = await cluster.kubectl(['create', 'token', agentName, '-n', systemNamespace])
  const { address, port } = cluster.plan.apiServer
  way = await BreakableConnection.to(address, port)
  client = new KubernetesClient(toKubeConfig(token.trim()))
  machineEntries = new MachineEntries({
    entries: new ObjectClient(client, machineEntryKind),
    replica: 'agent-1',
    isOrphaned: () => false,
    clock: systemClock,
    log: pino({ level: 'silent' }),
    onProblems: () => {},
  })
  registry = new KubernetesRegistry({
    client,
    cluster: clusterName.parse('east'),
    network: networkName.parse('network-east'),
    domainSuffix: 'cluster.local',
    clock: hurriedClock,
    random: Math.random,
    log: pino({ level: 'silent' }),
    onObject: (objectKey, object) => machineEntries.takeObject(objectKey, object),
  })
  registry.start((batch) => {
    gateways.latest = batch.gateways ?? gateways.latest
    for (const change of batch.changes) {
      const changed = change.kind === 'catalog' ? change.service : change.key
      told.push(`${change.kind} ${changed}`)
      if (change.kind === 'catalog') put(catalog, changed, change.value)
      else if (change.kind === 'workload') put(workloads, changed, change.value)
      else put(config, changed, change.value)
    }
  })
  await registry.synced
})

afterAll(async () => {
  machineEntries?.stop()
  await registry?.stop()
  way?.close()
  await lab?.down()
})

const put = <T>(map: Map<string, T>, name: string, value: T | null): void => {
  if (value === null) map.delete(name)
  else map.set(name, value)
}

const toKubeConfig = (token: string): KubeConfig => {
  const source = new KubeConfig()
  source.loadFromFile(cluster.kubeconfig)
  const caData = source.getCurrentCluster()?.caData
  const kubeConfig = new KubeConfig()
  kubeConfig.loadFromClusterAndUser(
    { name: 'east', server: `https://127.0.0.1:${way.port}`, skipTLSVerify: false, ...(caData && { caData }) },
    { name: 'agent', token },
  )
  return kubeConfig
}

test('a Deployment is a service with an endpoint for each of its pods, as many as it has', async () => {
  const pods = await cluster.waitForPods('shop', 'app=reviews', 2)
  await eventually('two healthy endpoints', () => endpoints('reviews').filter(isHealthy).length === 2)
  expect(
    endpoints('reviews')
      .map(({ address }) => address)
      .toSorted(),
  ).toEqual(pods.map(({ address }) => address).toSorted())
  expect(endpoints('reviews')[0]).toMatchObject({
    ports: { http: 8080 },
    serviceAccount: 'default',
    tls: 'none',
    labels: { app: 'reviews', version: 'v1' },
  })
  const [first] = pods
  expect(workloads.get(`shop/${first?.name}`)).toMatchObject({ address: first?.address, ports: { web: 8080 } })
  expect(registry.pods.find('shop', first?.name ?? '')).toMatchObject({ ip: first?.address, node: 'node-east' })
  await cluster.apply(shop(3))
  await eventually('three healthy endpoints', () => endpoints('reviews').filter(isHealthy).length === 3)
  await cluster.apply(shop(1))
  await eventually('one endpoint', () => endpoints('reviews').length === 1)
  expect(registry.problems()).toEqual([])
})

test('CRDs that are installed later are found, and what people write of them', async () => {
  expect(registry.sources().map(({ name }) => name)).not.toContain('virtualservices')
  await cluster.kubectl(['apply', '--server-side', '-f', `${repository}/deploy/helm/atoll/crds`])
  await cluster.kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s'])
  await cluster.apply(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews, namespace: shop }
spec: { hosts: [reviews], http: [{ timeout: 3s, route: [{ destination: { host: reviews } }] }] }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: legacy, namespace: shop }
spec:
  hosts: [legacy.example]
  ports: [{ number: 80, name: http, protocol: HTTP, targetPort: 8080 }]
  resolution: STATIC
  workloadSelector: { labels: { app: reviews } }
`)
  await eventually('the objects are read', () => config.size === 2)
  expect(config.get('VirtualService/shop/reviews')).toMatchObject({
    metadata: { creationTimestamp: expect.any(String) },
    spec: { hosts: ['reviews'] },
  })
  await eventually(
    'the ServiceEntry selects a pod',
    () => catalog.get('shop/legacy.example')?.endpoints.map(({ ports }) => ports['http'])[0] === 8080,
  )
  await cluster.kubectl(['delete', 'virtualservice', 'reviews', '-n', 'shop'])
  await eventually('the VirtualService goes', () => !config.has('VirtualService/shop/reviews'))
})

test('a machine of a WorkloadGroup is behind a Service beside its pods, while it is there', async () => {
  await cluster.apply(`
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: { name: reviews, namespace: shop }
spec: { metadata: { labels: { app: reviews } }, template: { serviceAccount: reviews, weight: 2, ports: { web: 8080 } } }
`)
  const claim = { namespace: 'shop', group: 'reviews', address: '10.9.0.4', serviceAccount: 'reviews' }
  await eventually('the group is known', () => machineEntries.nameMachine(claim).ok)
  const name = machineEntries.nameMachine(claim)
  const machine = { ...claim, name: name.ok ? name.value : '' }
  const entry = 'WorkloadEntry/shop/reviews-10.9.0.4'
  const addresses = () => endpoints('reviews').map(({ address }) => address)
  const [pod] = addresses()
  machineEntries.takeMachines([{ key: entry, value: machine }])
  await eventually('the machine is there', () => addresses().includes('10.9.0.4'))
  expect(addresses()).toContain(pod)
  expect(endpoints('reviews').find(({ address }) => address === '10.9.0.4')).toMatchObject({ weight: 2, tls: 'mutual' })
  machineEntries.takeMachines([{ key: entry, value: { ...machine, health: 'unhealthy' } }])
  await cluster.apply(`
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: { name: reviews, namespace: shop }
spec: { metadata: { labels: { app: reviews } }, template: { serviceAccount: reviews, weight: 3, ports: { web: 8080 } } }
`)
  await eventually('it is what its group is', () => endpoints('reviews').some(({ weight }) => weight === 3))
  machineEntries.takeMachines([{ key: entry, value: null }])
  await eventually('the machine has left', () => !addresses().includes('10.9.0.4'))
  expect([addresses(), machineEntries.problems()]).toEqual([[pod], []])
})

test('a watch that breaks misses nothing', async () => {
  const before = told.length
  way.cut()
  await eventually('it is noticed', () => registry.sources().some(({ failure }) => failure !== undefined))
  await cluster.apply(shop(2))
  await cluster.waitForPods('shop', 'app=reviews', 2)
  expect(told.slice(before)).toEqual([])
  way.heal()
  await eventually('two healthy endpoints', () => endpoints('reviews').filter(isHealthy).length === 2)
  expect(told.slice(before).filter((change) => change === `catalog ${key('idle')}`)).toEqual([])
  await eventually('the problems are over', () => registry.problems().length === 0)
})

/** The Role of docs/ingress.md. */
const secretsRole = `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: { name: ${agentSecretsRole}, namespace: shop }
rules:
  - { apiGroups: [""], resources: [secrets], verbs: [list, watch] }
  - { apiGroups: [authorization.k8s.io], resources: [localsubjectaccessreviews], verbs: [create] }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: ${agentSecretsRole}, namespace: shop }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: Role, name: ${agentSecretsRole} }
subjects: [{ kind: ServiceAccount, name: ${agentName}, namespace: ${systemNamespace} }]
`

test('Secrets are read where a Role lets the agent, which then knows who else may read them', async () => {
  const { pem } = await TestRoot.create(Date.now())
  await cluster.kubectl(['create', 'secret', 'generic', 'pair', '-n', 'shop', `--from-literal=cacert=${pem}`])
  await cluster.kubectl(['create', 'serviceaccount', 'sleep', '-n', 'shop'])
  const credentials = new SecretCredentials({
    client,
    clock: hurriedClock,
    random: Math.random,
    log: pino({ level: 'silent' }),
  })
  const seen = new Map<string, unknown>()
  credentials.start((changes) => {
    for (const [secret, value] of changes) seen.set(secret, value)
  })
  const until = (what: string, access: unknown) =>
    eventually(what, () => {
      expect(credentials.accessOf('shop/sleep')).toEqual(access)
      return true
    })
  try {
    credentials.want(new Set(['shop/pair']), new Set(['shop/sleep']))
    const needed = /403 Forbidden.*Role atoll-agent-secrets that namespace shop needs/
    await eventually('Secrets are refused', () => needed.test(credentials.failureOf('shop') ?? ''))
    await until('reviews are refused', { failure: expect.stringMatching(needed) as string })

    await cluster.apply(secretsRole)
    await eventually('the Secret is read', () => seen.has('shop/pair'))
    await until('the account may not read it', 'refused')
    await cluster.kubectl(['create', 'role', 'reader', '-n', 'shop', '--resource=secret', '--verb=list'])
    const binding = ['rolebinding', 'reader', '-n', 'shop']
    await cluster.kubectl(['create', ...binding, '--role=reader', '--serviceaccount=shop:sleep'])
    await until('the account may', 'allowed')
    await cluster.kubectl(['delete', ...binding])
    await until('the account may not any more', 'refused')
    await cluster.kubectl(['create', ...binding, '--role=reader', '--group=system:serviceaccounts:shop'])
    await until('all accounts of the namespace may', 'allowed')
  } finally {
    await credentials.stop()
  }
})

test('an API server that was away, and has forgotten what was, tells what is different and nothing else', async () => {
  const before = told.length
  way.cut()
  await cluster.stopApiServer()
  await eventually('all of it is a problem', () => registry.sources().every(({ failure }) => failure !== undefined))
  expect(catalog.size).toBeGreaterThan(2)
  await cluster.startApiServer()
  await cluster.kubectl(['delete', 'service', 'idle', '-n', 'shop'])
  await cluster.kubectl(['create', 'service', 'clusterip', 'new', '--tcp=80', '-n', 'shop'])
  expect(told.slice(before)).toEqual([])
  way.heal()
  await eventually('the new Service is known', () => catalog.has(key('new')))
  await eventually('the deleted one is not', () => !catalog.has(key('idle')))
  await eventually('the problems are over', () => registry.problems().length === 0)
  expect(new Set(told.slice(before))).toEqual(new Set([`catalog ${key('idle')}`, `catalog ${key('new')}`]))
})

test("an east-west gateway's address is where its load balancer is", async () => {
  expect(gateways.latest).toEqual([])
  await cluster.apply(`
apiVersion: v1
kind: Service
metadata: { name: gateway, namespace: ${systemNamespace}, labels: { atoll.dev/role: east-west-gateway } }
spec: { type: LoadBalancer, selector: { app: gateway }, ports: [{ name: tls, port: 15443 }] }
`)
  await eventually('the gateway has an address', () => Array.isArray(gateways.latest) && gateways.latest.length === 1)
  const [address] = cluster.plan.loadBalancerCidr.split('.0/')
  expect(gateways.latest).toEqual([{ address: expect.stringContaining(`${address}.`), port: 15_443 }])
})

const isHealthy = ({ health }: { readonly health: string }): boolean => health === 'healthy'
