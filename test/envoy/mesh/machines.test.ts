import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { eventually } from '#test/harness/child.ts'
import { EchoApp, type Echo } from '#test/harness/echo-app.ts'
import { inbound, reviewsService, workload } from '#test/harness/manifests.ts'
import { requestThroughProxy } from '#test/harness/proxy-request.ts'
import { writeOwnCertificate } from '#test/harness/server-certificate.ts'
import { freePort, World, type WorldCluster, type WorldProxy } from '#test/harness/world.ts'

let directory: string
let world: World
let east: WorldCluster
let frontend: WorldProxy
const apps: EchoApp[] = []
/** What says of the machine's application that it is well. */
let probed: EchoApp

/** A service by its selector, and one by a ServiceEntry's: what runs behind them is the same. */
const urls = ['http://reviews.default.svc.cluster.local:9080/', 'http://reviews.example:9080/']

const serviceEntry = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews, namespace: default}
spec:
  hosts: [reviews.example]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 9080, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: reviews}}
`

const toGroup = (probe: string): string => `apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: {name: reviews, namespace: default}
spec:
  metadata: {labels: {app: reviews, instance: machine}}
  template: {serviceAccount: reviews, weight: 1}
  probe: {${probe}, periodSeconds: 1, failureThreshold: 1}
`

/** Enough of a cluster that one machine's leaving is not a mass removal to the plane. */
const others = [
  reviewsService.replaceAll('reviews', 'others'),
  ...Array.from({ length: 10 }, (_, index) =>
    workload({ name: `other-${index}`, address: `10.0.0.${index + 1}`, serviceAccount: '', labels: { app: 'others' } }),
  ),
]

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'atoll-machines-'))
  world = await World.create(directory)
  await world.startPlane()
  await world.signIn()
  east = await world.join('east', 'net-east')
  const [fixed, machine] = [await EchoApp.start('fixed'), await EchoApp.start('machine')]
  apps.push(fixed, machine)
  probed = await EchoApp.start('probed')
  const entry = (name: string, octet: number, labels: Readonly<Record<string, string>>) =>
    workload({ name, address: `${east.prefix}.${octet}`, serviceAccount: labels.app ?? '', labels })
  const documents = [
    reviewsService,
    serviceEntry,
    entry('frontend', 10, { app: 'frontend' }),
    entry('fixed', 11, { app: 'reviews', instance: 'fixed' }),
    inbound('fixed', { instance: 'fixed' }, fixed.port),
    inbound('machine', { instance: 'machine' }, machine.port),
    ...others,
  ]
  await world.writeRegistry(east, 'all.yaml', documents.join('---\n'))
  await writeProbe(`httpGet: {path: /ready, port: ${probed.port}}`)
  await world.startAgent(east)
  frontend = await world.addProxy(east, {
    role: 'sidecar',
    serviceAccount: 'frontend',
    workload: 'frontend',
    octet: 10,
  })
  const proxy = await world.addProxy(east, { role: 'sidecar', serviceAccount: 'reviews', workload: 'fixed', octet: 11 })
  world.startEnvoy(frontend)
  world.startEnvoy(proxy)
  await answersOf('the fixed one', ['fixed'])
}, 240_000)

afterAll(async () => {
  await world.stop()
  await Promise.all([...apps, probed].map((app) => app.stop()))
  await rm(directory, { recursive: true, force: true })
})

const writeProbe = (probe: string): Promise<void> => world.writeRegistry(east, 'group.yaml', toGroup(probe))

const request = async (url: string): Promise<string> => {
  const reply = await requestThroughProxy({ host: frontend.address, port: 15007 }, url)
  if (reply.status !== 200) throw new Error(`${reply.status} ${reply.body.slice(0, 200)}`)
  return (JSON.parse(reply.body) as Echo).app
}

/** Waits until the frontend is answered by these and no others, by either name of the service. */
const answersOf = (what: string, wanted: readonly string[]) =>
  eventually(`answers of ${what}`, async () => {
    const seen = await Promise.all(
      urls.map(async (url) => {
        const answers = new Set<string>()
        for (let round = 0; round < 20; round++) answers.add(await request(url).catch(() => 'failed'))
        return [...answers].toSorted().join()
      }),
    )
    return seen.every((each) => each === wanted.join())
  })

const proxiesOf = async (): Promise<string> => (await world.atoll(['proxies', '--cluster', 'east'])).stdout

const probes: readonly (readonly [string, (port: number) => string])[] = [
  ['TCP', (port) => `tcpSocket: {port: ${port}}`],
  ['HTTPS', (port) => `httpGet: {scheme: HTTPS, port: ${port}, httpHeaders: [{name: Host, value: probed.example}]}`],
]

/** Whose certificate nobody vouches for; it knows one host. */
const startSecureServer = async () => {
  const { file, keyFile } = await writeOwnCertificate(directory, 'probed', { type: 'dns', value: 'probed.example' })
  const server = createServer({ cert: await readFile(file), key: await readFile(keyFile) }, (incoming, response) => {
    response.writeHead(incoming.headers.host === 'probed.example' ? 204 : 404).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { port: (server.address() as AddressInfo).port, stop: () => void server.close() }
}

const addMachine = (octet: number) =>
  world.addProxy(east, { role: 'sidecar', serviceAccount: 'reviews', workload: 'reviews', isOfGroup: true, octet })

test(
  'a machine of a group serves beside a fixed workload while its proxy is connected and its probe succeeds, and no request fails when it leaves',
  { timeout: 240_000 },
  async () => {
    const machine = await addMachine(20)
    world.startEnvoy(machine)
    await answersOf('both', ['fixed', 'machine'])
    const { port } = probed
    const secure = await startSecureServer()
    onTestFinished(secure.stop)
    await probed.stop()
    await answersOf('the fixed one, as the probe of the machine fails', ['fixed'])
    probed = await EchoApp.start('probed', port)
    await answersOf('both, as it is well again', ['fixed', 'machine'])
    const closed = await freePort()
    for (const [name, toProbe] of probes) {
      await writeProbe(toProbe(closed))
      await answersOf(`the fixed one, probed by ${name} where nothing listens`, ['fixed'])
      await writeProbe(toProbe(name === 'HTTPS' ? secure.port : port))
      await answersOf(`both, probed by ${name}`, ['fixed', 'machine'])
    }

    await east.agent?.stop()
    await world.startAgent(east)
    await eventually('the machine is back', async () => (await proxiesOf()).includes(machine.name))
    await answersOf('both, after a restart of the agent', ['fixed', 'machine'])

    await machine.envoy?.stop()
    const failures: unknown[] = []
    await eventually('the machine has left', async () => {
      for (const url of urls) await request(url).catch((error: unknown) => failures.push(error))
      const { stdout } = await world.atoll(['services', 'reviews.default.svc.cluster.local'])
      return !stdout.includes(machine.address)
    })
    expect(failures).toEqual([])
    await answersOf('the fixed one alone', ['fixed'])
  },
)
