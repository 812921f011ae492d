import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { proxyAdminPort } from '#mesh/kubernetes/conventions.ts'
import { eventually } from '#test/harness/child.ts'
import { secretNames } from '#xds/proxy.ts'
import type { LabCluster } from '../harness/cluster.ts'
import { Lab } from '../harness/lab.ts'
import { Client, type Answer } from '../mesh/client.ts'
import { LabMesh } from '../mesh/lab-mesh.ts'
import { IstioRevision } from './istio-revision.ts'

// docs/migrate-from-istio.md, as far as it goes without istiod. Each test goes on where the one before it ended.
let folder: string
let lab: Lab
let mesh: LabMesh
let east: LabCluster
let istio: IstioRevision

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'atoll-migrate-'))
  lab = await Lab.up({ name: 'migrate', clusters: 1 })
  mesh = await LabMesh.start(lab, 'cluster.local')
  ;[east] = lab.clusters as [LabCluster]
}, 180_000)
afterAll(async () => {
  await istio?.stop()
  await lab?.down()
  await rm(folder, { recursive: true, force: true })
})

/**
 * An application and a client of it, in YAML that knows of no mesh. It stays for longer than kube-proxy takes to forget it: callers in the
 * stand-in for Istio go by its virtual address.
 */
const application = (namespace: string) => `
apiVersion: v1
kind: ServiceAccount
metadata: {name: app, namespace: ${namespace}}
---
apiVersion: v1
kind: Service
metadata: {name: app, namespace: ${namespace}}
spec:
  selector: {app: app}
  ports: [{name: http, port: 9080, targetPort: 8080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: app, namespace: ${namespace}}
spec:
  replicas: 2
  strategy: {rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app, version: v1}}
    spec:
      serviceAccountName: app
      containers:
      - name: app
        image: lab/app
        env: [{name: APP, value: ${namespace}}]
        ports: [{containerPort: 8080}]
        readinessProbe: {exec: {command: [sh, -c, 'curl --silent --fail http://127.0.0.1:8080/']}, periodSeconds: 1}
        lifecycle: {preStop: {exec: {command: [sleep, '8']}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: client, namespace: ${namespace}}
spec:
  selector: {matchLabels: {app: client}}
  template:
    metadata: {labels: {app: client}}
    spec:
      serviceAccountName: app
      terminationGracePeriodSeconds: 1
      containers:
      - {name: client, image: lab/host, command: [sleep, infinity]}
`

const rules = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: app, namespace: shop}
spec:
  host: app
  subsets: [{name: v1, labels: {version: v1}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: app, namespace: shop}
spec:
  hosts: [app]
  http:
  - headers: {response: {set: {x-rule: applied}}}
    route: [{destination: {host: app, subset: v1}}]
`

const restart = async (namespace: string, deployment: string): Promise<void> => {
  await east.kubectl(['rollout', 'restart', `deployment/${deployment}`, '-n', namespace])
  await east.kubectl(['rollout', 'status', `deployment/${deployment}`, '-n', namespace, '--timeout=180s'])
}

const label = (namespace: string, ...labels: readonly string[]) =>
  east.kubectl(['label', 'namespace', namespace, '--overwrite', ...labels])

const clientOf = (namespace: string) => new Client(east, namespace, ['client', 'client'])
const urlOf = (namespace: string) => `http://app.${namespace}:9080/`

const idOf = (namespace: string): string => `spiffe://cluster.local/ns/${namespace}/sa/app`

/** Answers that are none, or that tell of another callee or caller. */
const findWrong = (answers: readonly Answer[], from: string, to: string): string[] =>
  answers
    .filter(({ body }) => !body.includes(`"app":"${to}"`) || !body.includes(`"caller":"${idOf(from)}"`))
    .map(({ body, failure }) => failure ?? body)

const wrongBothWays = async (count = 20): Promise<string[]> => [
  ...findWrong(await clientOf('shop').call(urlOf('bank'), count), 'shop', 'bank'),
  ...findWrong(await clientOf('bank').call(urlOf('shop'), count), 'bank', 'shop'),
]

/** Calls of the one that stays, for as long as the other is moved. */
const expectNoFailureWhile = async (move: () => Promise<void>): Promise<void> => {
  const answers = await clientOf('bank').callDuring(urlOf('shop'), move)
  expect(findWrong(answers, 'bank', 'shop')).toEqual([])
  expect(answers.length).toBeGreaterThanOrEqual(10)
}

const sidecarsOf = async (namespace: string): Promise<string[]> => {
  const path = 'jsonpath={range .items[*]}{.metadata.annotations.sidecar\\.istio\\.io/status}{"\\n"}{end}'
  const { stdout } = await east.kubectl(['get', 'pods', '-n', namespace, '-o', path])
  return [...new Set(stdout.split('\n').filter((line) => line !== ''))].map((status) =>
    status.includes('atoll-proxy') ? 'atoll' : 'istio',
  )
}

/** Pods that were replaced take a while to end. */
const untilAllHave = (namespace: string, sidecar: string) =>
  eventually(`all pods of ${namespace} have the sidecar of ${sidecar}`, async () => {
    const found = await sidecarsOf(namespace)
    return found.length === 1 && found[0] === sidecar
  })

/** Pods of the applications whose proxies take the external issuer's word for callers. */
const proxiesThatTakeIstio = async (): Promise<string[]> => {
  const dump = `http://127.0.0.1:${proxyAdminPort}/config_dump?resource=dynamic_listeners`
  const found: string[] = []
  for (const namespace of ['shop', 'bank'])
    for (const { name } of await east.waitForPods(namespace, 'app=app')) {
      const { code, stdout } = await east.exec(namespace, name, 'app', ['curl', '--silent', '--fail', dump])
      expect(code).toBe(0)
      if (stdout.includes(secretNames.externalPeers)) found.push(name)
    }
  return found
}

test('Atoll is installed beside Istio, whose CA the mesh has signed', async () => {
  istio = await IstioRevision.prepare(join(folder, 'istio'), east, ['shop', 'bank'])
  const crds = join(import.meta.dirname, '../../../deploy/helm/atoll/crds')
  await east.kubectl(['apply', '--server-side', '--field-manager=istio', '-f', crds])
  expect(await mesh.join('east', '--revision', 'atoll', '--gateway', 'none')).toMatch(/Cluster east is in the mesh/)
  const out = join(folder, 'cacerts')
  const add = ['trust', 'issuer', 'add', 'istio', '--cluster', 'east', '--csr', istio.ca.csrFile, '--out', out]
  expect((await mesh.world.atoll(add)).output).toContain('Trusted in')
  await istio.ca.take(await readFile(join(out, 'ca-cert.pem'), 'utf8'))
  await istio.install(join(out, 'root-cert.pem'), lab.hostAddress)
  await east.apply([application('shop'), application('bank'), rules].join('---'))
  for (const namespace of ['shop', 'bank']) await east.waitForPods(namespace, 'app in (app, client)', 3)
  expect([...(await sidecarsOf('shop')), ...(await sidecarsOf('bank'))]).toEqual(['istio', 'istio'])
  await eventually('both call each other', async () => (await wrongBothWays(5)).length === 0)
}, 240_000)

test('a namespace is moved by its label and a restart, and no request fails', async () => {
  await label('shop', 'istio-injection-', 'istio.io/rev=atoll')
  await expectNoFailureWhile(() => restart('shop', 'app'))
  await restart('shop', 'client')
  await untilAllHave('shop', 'atoll')
  await untilAllHave('bank', 'istio')
  expect(await wrongBothWays()).toEqual([])
}, 240_000)

test('the same YAML holds for what has moved', async () => {
  const isRuled = async () => {
    const answers = await clientOf('shop').call(urlOf('shop'), 1, '--include')
    return answers.every(({ body }) => / x-rule: applied /i.test(body))
  }
  expect(await eventually('the rule of the VirtualService is applied', isRuled)).toBe(true)
}, 90_000)

test('the namespace goes back the same way, and no request fails', async () => {
  await label('shop', 'istio.io/rev-', 'istio-injection=enabled')
  await expectNoFailureWhile(() => restart('shop', 'app'))
  await restart('shop', 'client')
  await untilAllHave('shop', 'istio')
  expect(await wrongBothWays()).toEqual([])
}, 240_000)

test('when everything has moved and the issuer is gone, calls go on', async () => {
  for (const namespace of ['shop', 'bank']) {
    await label(namespace, 'istio-injection-', 'istio.io/rev=atoll')
    for (const deployment of ['app', 'client']) await restart(namespace, deployment)
  }
  await untilAllHave('bank', 'atoll')
  expect(await proxiesThatTakeIstio()).toHaveLength(4)
  await mesh.world.atoll(['trust', 'issuer', 'remove', 'istio', '--yes'])
  await eventually('no proxy takes Istio any more', async () => (await proxiesThatTakeIstio()).length === 0)
  expect(await wrongBothWays()).toEqual([])
}, 240_000)
