import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ingressGateway } from '#mesh/kubernetes/installed-gateways.ts'
import { eventually } from '#test/harness/child.ts'
import { writeOwnCertificate } from '#test/harness/server-certificate.ts'
import type { LabCluster } from './harness/cluster.ts'
import { Lab } from './harness/lab.ts'
import { toSampleYaml, type Sample } from './ingress/bookinfo-networking.ts'
import { visit, visitPages } from './ingress/visit.ts'
import { bookinfo } from './mesh/bookinfo.ts'
import { LabMesh } from './mesh/lab-mesh.ts'
import type { ProductPage } from './mesh/product-page.ts'

// Bookinfo over two clusters on two networks, seen from outside. Each test goes on where the one before it ended.
let folder: string
let lab: Lab
let mesh: LabMesh
let east: LabCluster
let address: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'atoll-lab-ingress-'))
  lab = await Lab.up({ name: 'ingress', clusters: 2, network: 'split' })
  mesh = await LabMesh.start(lab)
  east = lab.cluster('east')
  await Promise.all([mesh.join('east', '--ingress-gateway', '--replicas', '1'), mesh.join('west', '--replicas', '1')])
  await Promise.all([
    install(east, ['productpage-v1', 'details-v1', 'reviews-v1', 'reviews-v2', 'reviews-v3']),
    install(lab.cluster('west'), ['ratings-v1']),
  ])
  address = await addressOf(ingressGateway.namespace, ingressGateway.name)
}, 900_000)
afterAll(async () => {
  await lab?.down()
  await rm(folder, { recursive: true, force: true })
})

const install = async (cluster: LabCluster, workloads: Parameters<typeof bookinfo>[0]): Promise<void> => {
  await cluster.kubectl(['create', 'namespace', 'bookinfo'])
  await cluster.kubectl(['label', 'namespace', 'bookinfo', 'istio-injection=enabled'])
  await cluster.kubectl(['apply', '-n', 'bookinfo', '-f', '-'], { input: bookinfo(workloads) })
  for (const name of workloads)
    await cluster.kubectl(['rollout', 'status', '-n', 'bookinfo', `deployment/${name}`, '--timeout=90s'])
}

const addressOf = (namespace: string, service: string): Promise<string> =>
  eventually('the load balancer has an address', async () => {
    const path = 'jsonpath={.status.loadBalancer.ingress[0].ip}'
    const { stdout } = await east.kubectl(['get', 'service', service, '-n', namespace, '-o', path])
    return stdout
  })

const apply = (yaml: string) => east.kubectl(['apply', '-n', 'bookinfo', '-f', '-'], { input: yaml })
const applySample = (sample: Sample) => apply(toSampleYaml(sample))

/** For the whole mesh: by these labels other clusters tell apart what they have. */
const applySubsets = async (): Promise<void> => {
  const file = join(folder, 'subsets.yaml')
  await writeFile(file, toSampleYaml('destination-rule-all'))
  await mesh.world.atoll(['apply', '--wait', '--namespace', 'bookinfo', '-f', file])
}
const countVersion = (pages: readonly ProductPage[], version: string) =>
  pages.filter((page) => page.version === version).length

describe("Istio's samples of Bookinfo, one after the other", () => {
  test('bookinfo-gateway, destination-rule-all', async () => {
    await applySample('bookinfo-gateway')
    await applySubsets()
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
  test.each<[Sample, ProductPage]>([
    ['virtual-service-all-v1', ofV1],
    ['virtual-service-reviews-test-v2', { hasDetails: true, version: 'v2', stars: 'black' }],
    // The product page does not wait so long for the reviews.
    ['virtual-service-ratings-test-delay', { hasDetails: true, version: undefined, stars: 'none' }],
    ['virtual-service-ratings-test-abort', { hasDetails: true, version: 'v2', stars: 'unavailable' }],
  ])('%s: what jason sees, and everybody else', async (sample, page) => {
    await applySample(sample)
    await eventually('each sees what is theirs', async () => {
      expect(await visitPages(address, 4, 'jason')).toEqual(Array(4).fill(page))
      expect(await visitPages(address, 4, 'anna')).toEqual(Array(4).fill(ofV1))
      return true
    })
  })

  // 100 times 50 % and 20 %; five standard deviations are 25 and 20
  test.each<[Sample, string, number, number]>([
    ['virtual-service-reviews-50-v3', 'v3', 25, 75],
    ['virtual-service-reviews-80-20', 'v2', 1, 40],
  ])('%s', async (sample, version, least, most) => {
    await applySample(sample)
    await eventually('it is in force', async () => {
      const seen = await visitPages(address, 16)
      const count = countVersion(seen, version)
      return count > 0 && countVersion(seen, 'v1') + count === seen.length
    })
    const pages = await visitPages(address, 100)
    expect(countVersion(pages, version)).toBeGreaterThanOrEqual(least)
    expect(countVersion(pages, version)).toBeLessThanOrEqual(most)
    expect(countVersion(pages, 'v1') + countVersion(pages, version)).toBe(100)
  })
})

describe('Gateways with certificates', () => {
  const secure = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: secure}
spec:
  selector: {istio: ingressgateway}
  servers:
    - port: {number: 80, name: http, protocol: HTTP}
      hosts: [ratings.bookinfo.example]
    - port: {number: 443, name: https, protocol: HTTPS}
      hosts: [ratings.bookinfo.example, page.bookinfo.example]
      tls: {mode: SIMPLE, credentialName: front}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: outside}
spec:
  hosts: [ratings.bookinfo.example]
  gateways: [secure]
  http: [{route: [{destination: {host: ratings}}]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: outside-page}
spec:
  hosts: [page.bookinfo.example]
  gateways: [secure]
  http: [{route: [{destination: {host: productpage}}]}]
`
  const ratings = { host: 'ratings.bookinfo.example', path: '/ratings/0' }

  /** A certificate that vouches for itself, in a Secret of the gateway's namespace. */
  const putSecret = async (name: string, keyOf = name): Promise<string> => {
    const { file } = await writeOwnCertificate(folder, name, { type: 'dns', value: '*.bookinfo.example' })
    const args = ['create', 'secret', 'tls', 'front', '-n', ingressGateway.namespace, `--cert=${file}`]
    const key = join(folder, `${keyOf}-key.pem`)
    // `kubectl create secret tls` refuses what does not fit together.
    const made =
      keyOf === name
        ? (await east.kubectl([...args, `--key=${key}`, '--dry-run=client', '-o', 'yaml'])).stdout
        : JSON.stringify({
            apiVersion: 'v1',
            kind: 'Secret',
            metadata: { name: 'front', namespace: ingressGateway.namespace },
            type: 'kubernetes.io/tls',
            data: { 'tls.crt': await readBase64(file), 'tls.key': await readBase64(key) },
          })
    await east.kubectl(['apply', '-f', '-'], { input: made })
    return readFile(file, 'utf8')
  }
  const readBase64 = async (file: string) => (await readFile(file)).toString('base64')

  const conditionOf = async (gateway: string): Promise<string> => {
    const path = 'jsonpath={.status.conditions[*].message}'
    return (await east.kubectl(['get', 'gateways.networking.istio.io', gateway, '-n', 'bookinfo', '-o', path])).stdout
  }

  test('a Secret that is missing is told of at the Gateway, and plaintext goes on', async () => {
    await apply(secure)
    await eventually('it is told of', async () =>
      (await conditionOf('secure')).includes('server https: Secret atoll-ingress/front is not there'),
    )
    const answer = await eventually('ratings answer on port 80, from the other cluster', async () => {
      const { status, body } = await visit({ address, ...ratings })
      return status === 200 && body
    })
    expect(answer).toContain('"ratings"')
  })

  test('with it, 443 answers by SNI for services here and in the other cluster', async () => {
    const ca = await putSecret('first')
    await eventually('ratings answer', async () => (await visit({ address, ca, ...ratings })).status === 200)
    const page = await visit({ address, ca, host: 'page.bookinfo.example', path: '/productpage' })
    expect(page.body).toContain('Book Details')
    await expect(visit({ address, ca, host: 'other.bookinfo.example', path: '/' })).rejects.toThrow(
      /hang up|ECONNRESET|disconnected/,
    )
    await eventually('nothing is told of any more', async () => !(await conditionOf('secure')).includes('Secret'))
  })

  test('a new certificate holds for new connections, and one with another key is refused', async () => {
    const before = await readFile(join(folder, 'first.pem'), 'utf8')
    const { fingerprint } = await visit({ address, ca: before, ...ratings })
    const ca = await putSecret('second')
    const renewed = await eventually(
      'the new one is served',
      async () => (await visit({ address, ca, ...ratings })).fingerprint,
    )
    expect(renewed).not.toBe(fingerprint)
    await putSecret('third', 'second')
    await eventually('it is told of', async () => (await conditionOf('secure')).includes('its key is not that of'))
    expect((await visit({ address, ca, ...ratings })).fingerprint).toBe(renewed)
  })
})

test("a gateway of one's own is injected, listens on port 80, and may not read Secrets until a Role lets it", async () => {
  await east.apply(`
apiVersion: v1
kind: Namespace
metadata: {name: edge, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Service
metadata: {name: edge, namespace: edge}
spec:
  type: LoadBalancer
  selector: {istio: edge}
  ports: [{port: 80, name: http}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: edge, namespace: edge}
spec:
  selector: {matchLabels: {istio: edge}}
  template:
    metadata:
      annotations: {inject.istio.io/templates: gateway}
      labels: {istio: edge, sidecar.istio.io/inject: "true"}
    spec:
      containers: [{name: istio-proxy, image: auto}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: bookinfo}
spec:
  selector: {istio: edge}
  servers:
    - {port: {number: 80, name: http, protocol: HTTP}, hosts: [edge.example]}
    - {port: {number: 443, name: https, protocol: HTTPS}, hosts: [edge.example], tls: {mode: SIMPLE, credentialName: edge}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge, namespace: bookinfo}
spec:
  hosts: [edge.example]
  gateways: [edge]
  http: [{route: [{destination: {host: details}}]}]
`)
  const own = await addressOf('edge', 'edge')
  const answer = await eventually('details answer', async () => {
    const { status, body } = await visit({ address: own, host: 'edge.example', path: '/details/0' })
    return status === 200 && body
  })
  expect(answer).toContain('PublisherA')
  const path = 'jsonpath={.status.conditions[*].message}'
  await eventually('it is told of', async () => {
    const { stdout } = await east.kubectl(['get', 'gateways.networking.istio.io', 'edge', '-n', 'bookinfo', '-o', path])
    return /Secret edge\/edge can not be read: .* 403 Forbidden/.test(stdout)
  })
})
