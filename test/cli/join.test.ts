import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Child, eventually, run } from '#test/harness/child.ts'
import { IstioCa } from '#test/harness/istio-ca.ts'
import { freePort, World } from '#test/harness/world.ts'

/** One command from nothing to a cluster in the mesh, with its agent in the foreground. */
let folder: string
let world: World
let joining: Child
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'atoll-join-'))
  world = await World.create(folder)
  await world.startPlane()
  await world.signIn()
  await mkdir(join(folder, 'registry'))
  await writeFile(
    join(folder, 'registry/reviews.yaml'),
    `apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {selector: {app: reviews}, ports: [{name: http, port: 9080}]}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: reviews-v1}
spec: {address: 10.0.0.1, labels: {app: reviews}, serviceAccount: reviews}
`,
  )
  const args = ['cluster', 'join', 'east', '--network', 'net-east', '--run', '--wait']
  const paths = ['--data', join(folder, 'agent'), '--directory', join(folder, 'registry')]
  const addresses = [
    '--xds-address',
    `127.0.0.1:${await freePort()}`,
    '--http-address',
    `127.0.0.1:${await freePort()}`,
  ]
  joining = new Child({
    name: 'atoll cluster join',
    command: process.execPath,
    args: [join(import.meta.dirname, '../../cli/main.ts'), ...args, ...paths, ...addresses],
    env: { XDG_CONFIG_HOME: join(folder, 'config'), ATOLL_MESH: 'demo' },
  })
})
afterAll(async () => {
  await joining.stop()
  await world.stop()
  await rm(folder, { recursive: true, force: true })
})

describe('atoll cluster join --run --wait', () => {
  it('brings the cluster into the mesh', async () => {
    await joining.waitForLine(/Cluster east is in sync/)
    expect(await world.atollJson(['cluster', 'show', 'east'])).toMatchObject({
      name: 'east',
      connected: true,
      network: 'net-east',
    })
  })

  it('is not done again over an agent that has joined', async () => {
    const again = ['cluster', 'join', 'east', '--network', 'net-east', '--force', '--data', join(folder, 'agent')]
    const { code, output } = await world.atoll(again, { allowFailure: true })
    expect(code).toBe(6)
    expect(output).toContain('has joined a mesh already')
  })

  it('shows its services to the mesh', async () => {
    const detail = await eventually('the service is reported', async () => {
      const { code, stdout } = await world.atoll(['services', 'reviews'], { allowFailure: true })
      return code === 0 && stdout
    })
    expect(detail).toMatch(/east +reviews-v1 +10\.0\.0\.1 +http:9080 +healthy/)
  })

  it('counts it when a revision is delivered', async () => {
    const file = join(folder, 'reviews.yaml')
    const spec = '{hosts: [reviews], http: [{route: [{destination: {host: reviews}}]}]}'
    await writeFile(
      file,
      `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: reviews}\nspec: ${spec}\n`,
    )
    const { stdout } = await world.atoll(['apply', '-f', file, '--wait'])
    expect(stdout).toContain('revision 1 is live on 0 of 0 proxies in 1 of 1 clusters')
  })

  it('shows what its metrics say, as soon as they are sent', async () => {
    const tokenFile = join(folder, 'collector-token')
    await world.atoll([
      'token',
      'create',
      '--role',
      'telemetry',
      '--for-mesh',
      'demo',
      '--for-cluster',
      'east',
      '--out',
      tokenFile,
    ])
    const labels = {
      reporter: 'destination',
      source_workload: 'web\u001B[2J',
      source_workload_namespace: 'shop',
      source_cluster: 'east',
      destination_workload: 'reviews-v1',
      destination_workload_namespace: 'shop',
      destination_cluster: 'east',
      destination_service: 'reviews.shop.svc.cluster.local',
      request_protocol: 'http',
      response_code: '503',
      connection_security_policy: 'mutual_tls',
    }
    const dataPoint = {
      attributes: Object.entries(labels).map(([key, stringValue]) => ({ key, value: { stringValue } })),
      // Not in the ten seconds that are not over: those are not shown yet.
      timeUnixNano: `${Date.now() - 30_000}000000`,
      asInt: '900',
    }
    const sum = { isMonotonic: true, aggregationTemporality: 1, dataPoints: [dataPoint] }
    const { status } = await fetch(`${world.url}/v1/otlp/v1/metrics`, {
      method: 'POST',
      headers: {
        Authorization: `Bearer ${(await readFile(tokenFile, 'utf8')).trim()}`,
        'Content-Type': 'application/json',
      },
      body: JSON.stringify({
        resourceMetrics: [{ scopeMetrics: [{ metrics: [{ name: 'istio_requests_total', sum }] }] }],
      }),
    })
    expect(status).toBe(200)
    const { stdout: top } = await world.atoll(['top', '--window', '15m'])
    expect(top).toMatch(/^reviews\.shop +east +(1|0\.9\d+) +100% .*█/m)
    const { stdout: graph } = await world.atoll(['graph', '--service', 'reviews'])
    expect(graph).toMatch(/^east\/shop\/web\\u001b\[2J\n└─ east\/shop\/reviews-v1 +reviews\.shop +http +yes +/m)
  })

  it('says what is wrong when the proxies of the cluster are asked for by a wrong name', async () => {
    expect((await world.atoll(['proxies'])).stdout).toBe('No proxy is connected.')
    const { code } = await world.atoll(['proxy', 'config', 'nobody'], { allowFailure: true })
    expect(code).toBe(5)
  })

  it('shows an intermediate that is bound to the cluster', async () => {
    expect((await world.atoll(['trust', 'verify'])).stdout).toMatch(/intermediate of east .*sound/)
  })

  it("signs somebody else's CA, for what is not the mesh's own names, and takes it back", async () => {
    const ca = await IstioCa.create(await mkdtemp(join(folder, 'istio-')))
    const out = join(ca.directory, 'cacerts')
    const add = ['trust', 'issuer', 'add', 'istio', '--cluster', 'east', '--csr', ca.csrFile, '--out', out]
    expect((await world.atoll(add)).stdout).toMatch(/Trusted in:? +east/)
    await ca.take(await readFile(join(out, 'ca-cert.pem'), 'utf8'))
    const id = 'URI:spiffe://demo.atoll.internal/ns/shop/sa/web'
    const verify = async (name: string, ...names: readonly string[]) => {
      const leaf = await ca.issue(name, names)
      const args = ['verify', '-CAfile', join(out, 'root-cert.pem'), '-untrusted', join(out, 'cert-chain.pem')]
      return (await run({ name: 'openssl', command: 'openssl', args: [...args, leaf.certificate] })).code
    }
    expect(await verify('workload', id)).toBe(0)
    expect(await verify('istiod', 'DNS:istiod.istio-system.svc')).toBe(0)
    expect(await verify('cluster', id, 'DNS:east.clusters.demo.atoll.internal')).not.toBe(0)
    expect(await verify('agent', 'DNS:xds._agent.east.clusters.demo.atoll.internal')).not.toBe(0)
    expect(await verify('stranger', 'URI:spiffe://other.example/ns/shop/sa/web')).not.toBe(0)

    expect((await world.atoll(['trust', 'verify'])).stdout).toMatch(/issuer istio .*sound/)
    expect((await world.atoll(['trust', 'show'])).stdout).toMatch(/issuer +east /)
    expect((await world.atoll(['trust', 'issuer', 'list'])).stdout).toMatch(/istio +east /)
    expect((await world.atoll(['trust', 'issuer', 'show', 'istio'])).stdout).toContain('BEGIN CERTIFICATE')
    expect((await world.atoll(['trust', 'issuer', 'remove', 'istio'], { allowFailure: true })).code).toBe(2)
    await world.atoll(['trust', 'issuer', 'remove', 'istio', '--yes'])
    expect((await world.atoll(['trust', 'issuer', 'list'])).stdout).toBe('There are no external issuers.')
    expect((await world.atoll(['trust', 'issuer', 'show', 'istio'], { allowFailure: true })).code).toBe(5)
  })

  it('does not evict without being told so', async () => {
    const evict = ['cluster', 'evict', 'east']
    expect(await world.atoll(evict, { allowFailure: true })).toMatchObject({
      code: 2,
      output: expect.stringContaining('--yes'),
    })
    await world.atoll([...evict, '--yes'])
    expect((await world.atoll(['cluster', 'show', 'east'], { allowFailure: true })).code).toBe(5)
  })
})
