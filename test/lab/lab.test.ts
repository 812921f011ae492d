import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '#test/harness/child.ts'
import { Lab } from './harness/lab.ts'
import type { LabCluster } from './harness/cluster.ts'
import { findRemains } from './harness/remove-lab.ts'

// Each test goes on where the one before it ended.
let lab: Lab
let east: LabCluster
let west: LabCluster

beforeAll(async () => {
  lab = await Lab.up({ name: 'story', clusters: 2, network: 'split' })
  east = lab.cluster('east')
  west = lab.cluster('west')
}, 180_000)
afterAll(() => lab?.down())

const shop = `
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: echo, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: echo}}
  template:
    metadata: {labels: {app: echo}}
    spec:
      containers:
      - name: app
        image: lab/app
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {httpGet: {path: /, port: http}}
---
apiVersion: v1
kind: Service
metadata: {name: echo, namespace: shop}
spec:
  type: LoadBalancer
  selector: {app: echo}
  ports: [{name: http, port: 80, targetPort: http}]
`

const client = `
apiVersion: v1
kind: Namespace
metadata: {name: visitors}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: visitors, labels: {app: client}}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: client, image: lab/host, command: [sleep, infinity]}]
`

const request = (cluster: LabCluster, url: string) =>
  cluster.exec('visitors', 'client', 'client', ['curl', '--silent', '--show-error', '--max-time', '5', url])

const loadBalancerAddress = (cluster: LabCluster): Promise<string> =>
  eventually('the Service has an address', async () => {
    const path = 'jsonpath={.status.loadBalancer.ingress[0].ip}'
    return (await cluster.kubectl(['get', 'service', 'echo', '-n', 'shop', '-o', path])).stdout
  })

test('an application in east is reached by its name from another pod, and both replicas answer', async () => {
  await Promise.all([east.apply(shop), east.apply(client), west.apply(client)])
  const pods = await east.waitForPods('shop', 'app=echo', 2)
  await Promise.all([east, west].map((cluster) => cluster.waitForPods('visitors', 'app=client')))

  const seen = new Set<string>()
  await eventually('both replicas have answered', async () => {
    const { stdout } = await request(east, 'http://echo.shop/')
    seen.add((JSON.parse(stdout) as { app: string }).app)
    return seen.size === 2
  })

  expect([...seen].toSorted()).toEqual(pods.map(({ name }) => name).toSorted())
})

test('west reaches none of its pods or ClusterIPs, only its LoadBalancer address', async () => {
  const [pod] = await east.waitForPods('shop', 'app=echo', 2)
  const clusterIp = await east.kubectl(['get', 'service', 'echo', '-n', 'shop', '-o', 'jsonpath={.spec.clusterIP}'])

  const [byName, byPod, byClusterIp] = await Promise.all(
    ['http://echo.shop/', `http://${pod?.address}:8080/`, `http://${clusterIp.stdout}/`].map((url) =>
      request(west, url),
    ),
  )
  expect(byName?.output).toMatch(/could not resolve host/i)
  expect(byPod?.output).toMatch(/couldn't connect|no route to host|failed to connect/i)
  expect(byClusterIp?.output).toMatch(/couldn't connect|no route to host|failed to connect/i)
  const byLoadBalancer = await request(west, `http://${await loadBalancerAddress(east)}/`)
  expect(byLoadBalancer.stdout).toMatch(/"app":"echo-/)
})

test('traffic flows on while the API server is away, and changes are followed when it is back', async () => {
  const address = await loadBalancerAddress(east)
  await east.stopApiServer()
  const { output } = await request(west, `http://${address}/`)
  expect(output).toMatch(/"app":"echo-/)

  await east.startApiServer()
  await east.kubectl(['scale', 'deployment', 'echo', '-n', 'shop', '--replicas=3'])
  await east.waitForPods('shop', 'app=echo', 3)
})

test('nothing is left of a lab that is down', async () => {
  expect(await findRemains('story', lab.plan.slot)).not.toEqual([])
  await lab.down()
  expect(await findRemains('story', lab.plan.slot)).toEqual([])
})
