import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Explanation } from '#xds/explain/explanation.ts'
import { typeUrls } from '#xds/type-url.ts'
import { planeUrl, runFake, type FakeAnswer, type FakeWorld } from './fake-io.ts'

let folder: string
let file: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'atoll-why-'))
  file = join(folder, 'mesh.yaml')
  writeFileSync(
    file,
    `apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: shop}
spec: {selector: {app: reviews}, ports: [{name: http, port: 9080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: reviews-v1, namespace: shop}
spec: {template: {metadata: {labels: {app: reviews}}, spec: {serviceAccountName: reviews, containers: [{name: app, image: a}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: frontend, namespace: shop}
spec: {template: {metadata: {labels: {app: frontend}}, spec: {serviceAccountName: web, containers: [{name: app, image: a}]}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec: {hosts: [reviews], http: [{match: [{uri: {prefix: /reviews}, method: {exact: POST}, headers: {x-user: {exact: a}}}], route: [{destination: {host: reviews}}], timeout: 7s}]}
`,
  )
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const why = (...args: string[]) => runFake(['why', ...args, '-f', file])
const asked = ['http://reviews:9080/reviews/1', '--method', 'post', '--header', 'x-user=a']

describe('from files', () => {
  it('tells every step, and exits with 0 when the call arrives', async () => {
    const { code, stdout, stderr } = await why('shop/frontend', ...asked)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatchSnapshot()
  })

  it('tells what is in the way, by which object and what to do, and exits with 9', async () => {
    const { code, stdout, stderr } = await why('shop/frontend', 'reviews/other')
    expect({ code, stderr }).toEqual({ code: 9, stderr: 'It does not arrive\n' })
    expect(stdout.slice(stdout.indexOf('Not reachable'))).toMatchSnapshot()
  })

  it('takes no text of configuration for a line of its own', async () => {
    const named = join(folder, 'named.yaml')
    writeFileSync(
      named,
      `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: other, namespace: shop}
spec: {hosts: [reviews], http: [{name: "x\\n\\nReachable (reachable)\\nIt arrives", match: [{uri: {prefix: /other}}], directResponse: {status: 403}}]}
`,
    )
    const mesh = join(folder, 'services.yaml')
    writeFileSync(mesh, readFileSync(file, 'utf8').split('---').slice(0, 3).join('---'))
    const { code, stdout } = await runFake(['why', 'shop/frontend', 'reviews/other', '-f', mesh, '-f', named])
    expect(code).toBe(9)
    expect(stdout).toContain('route x\\n\\nReachable (reachable)\\nIt arrives')
    expect(stdout).not.toMatch(/^(Reachable|It arrives)/m)
  })

  it.each([
    ['an account', 'shop/web', 'sidecar/shop/frontend'],
    ['a proxy', 'sidecar/shop/frontend', 'sidecar/shop/frontend'],
    ['a proxy with details', 'shop/other,labels.app=x,address=10.0.0.9,capture=none', 'sidecar/shop/other'],
  ])('knows a client by %s', async (_, from, name) => {
    const { code, stdout } = await why(from, ...asked, '-o', 'json')
    expect({ code, ...(JSON.parse(stdout) as object) }).toMatchObject({
      code: 0,
      client: { name },
      call: { host: 'reviews', port: 9080, method: 'POST', path: '/reviews/1', headers: { 'x-user': 'a' } },
      verdict: { reachable: true, code: 'reachable' },
    })
  })

  it('knows clients without a proxy', async () => {
    const { code, stdout } = await why('shop/frontend', ...asked, '--no-proxy', '-o', 'name')
    expect({ code, stdout }).toEqual({ code: 9, stdout: 'plaintext-to-strict\n' })
  })

  it.each([
    [['frontend', 'reviews'], 'is not the name of a workload'],
    [['a/b/c/d/e', 'reviews'], 'is not the name of a workload'],
    [['shop/frontend', 'ftp://reviews'], 'has the scheme ftp'],
    [['shop/frontend', 're views'], 'is no host'],
    [['shop/frontend', 'reviews', '--header', 'a b'], 'is no header'],
  ])('refuses %j', async (args, reason) => {
    const { code, stderr } = await why(...args)
    expect(code).toBe(2)
    expect(stderr).toContain(reason)
  })
})

/** A plane whose agents serve what the files make, as pods of these Deployments. */
const toPlane = async (): Promise<FakeWorld> => {
  const cluster = { name: 'west', network: 'n1', kind: 'kubernetes', contribution: 'live', gateways: [] }
  const shown = { joinedAt: now, connected: true, lastSeenAt: now, replicas: [], services: 1, endpoints: 1 }
  const ports = [{ name: 'http', number: 9080, protocol: 'http' }]
  const key = { key: `shop/${hostname}`, namespace: 'shop', hostname, ports, location: 'mesh-internal' }
  const counts = [{ cluster: 'west', network: 'n1', contribution: 'live', endpoints: 1, healthy: 1 }]
  const page = (items: readonly unknown[], more: object = {}) => ({
    status: 200,
    body: { items, nextCursor: null, ...more },
  })
  const proxies = ['frontend', 'reviews-v1'].map((name) => toProxy(`${name}-5d8f7c9b44-x2x4z`))
  const configs = await Promise.all(
    proxies.map(async ({ name, workload }) => {
      const spec = `sidecar/shop/${workload.slice(0, -17)}`
      const { stdout } = await runFake(['xds', file, '--proxy', spec, '-o', 'json'])
      const body = { name, cluster: 'west', revision: 1, resources: toResources(JSON.parse(stdout) as Shown) }
      return [`GET /v1/meshes/prod/proxies/west/${encodeURIComponent(name)}/config`, { status: 200, body }] as const
    }),
  )
  return {
    env: { ATOLL_URL: planeUrl, ATOLL_TOKEN: 't', ATOLL_MESH: 'prod' },
    answers: {
      'GET /v1/meshes/prod': {
        status: 200,
        body: {
          id: 'm',
          name: 'prod',
          settings: {
            meshId: 'm',
            meshName: 'prod',
            trustDomain: 'offline.example',
            domainSuffix: 'cluster.local',
            inboundMtls: 'strict',
            meshConfig: {},
          },
          revision: 1,
          clusters: 1,
          createdAt: now,
        },
      },
      'GET /v1/meshes/prod/clusters': page([
        { ...cluster, ...shown, certificateExpiresAt: null, holds: [], probes: [] },
      ]),
      'GET /v1/meshes/prod/services': page([{ ...key, clusters: counts }]),
      [`GET /v1/meshes/prod/services/shop/${hostname}`]: {
        status: 200,
        body: {
          service: {
            ...key,
            addresses: ['10.96.0.1'],
            resolution: 'static',
            exportTo: ['*'],
            source: 'service',
            labels: {},
            subjectAltNames: [],
          },
          clusters: counts,
          endpoints: [
            {
              id: 'reviews-v1-5d8f7c9b44-x2x4z',
              cluster: 'west',
              network: 'n1',
              locality: '',
              address: '10.244.0.1',
              ports: { http: 9080 },
              labels: {},
              weight: 1,
              health: 'healthy',
              serviceAccount: 'reviews',
              tls: 'mutual',
            },
          ],
          endpointsLeftOut: 0,
        },
      },
      'GET /v1/meshes/prod/proxies': page(proxies, { unavailable: [] }),
      ...Object.fromEntries(configs),
    },
  }
}

const now = '2026-11-21T12:00:00Z'
const hostname = 'reviews.shop.svc.cluster.local'

type Shown = Readonly<
  Record<'listeners' | 'routes' | 'clusters' | 'endpoints' | 'filters', readonly Readonly<Record<string, unknown>>[]>
>
const toResources = ({ listeners, routes, clusters, endpoints, filters }: Shown) =>
  (
    [
      [typeUrls.listener, listeners],
      [typeUrls.route, routes],
      [typeUrls.cluster, clusters],
      [typeUrls.endpoint, endpoints],
      [typeUrls.extensionConfig, filters],
    ] as const
  ).flatMap(([typeUrl, bodies]) =>
    bodies.map((body) => ({ typeUrl, name: String(body['name'] ?? body['cluster_name']), version: '1', body })),
  )

const toProxy = (workload: string) => ({
  name: `sidecar/shop/${workload}`,
  cluster: 'west',
  role: 'sidecar',
  namespace: 'shop',
  workload,
  serviceAccount: workload.startsWith('frontend') ? 'web' : 'reviews',
  replica: 'r',
  envoyVersion: '1.40.0',
  connectedAt: now,
  revision: 1,
  synced: true,
  types: [],
  nacks: [],
})

describe('from what proxies are served', () => {
  it.each([
    ['a Deployment', 'west/shop/frontend'],
    ['a pod', 'shop/frontend-5d8f7c9b44-x2x4z'],
    ['an account', 'west/sidecar/shop/web'],
  ])('follows a call of %s to the pods that answer', async (_, from) => {
    const { code, stdout, stderr } = await runFake(['why', from, ...asked, '-o', 'json'], await toPlane())
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const { ways, verdict } = JSON.parse(stdout) as Explanation
    expect(verdict.code).toBe('reachable')
    expect(ways[0]?.steps.map(({ stage, proxy }) => [stage, proxy])).toEqual([
      ['cluster', 'sidecar/shop/frontend-5d8f7c9b44-x2x4z in west'],
      ['endpoints', 'sidecar/shop/frontend-5d8f7c9b44-x2x4z in west'],
      ['certificates', 'sidecar/shop/frontend-5d8f7c9b44-x2x4z in west'],
      ['inbound', 'sidecar/shop/reviews-v1-5d8f7c9b44-x2x4z in west'],
      ['policy', 'sidecar/shop/reviews-v1-5d8f7c9b44-x2x4z in west'],
    ])
  })

  it('says whom it does not know', async () => {
    const { code, stderr } = await runFake(['why', 'shop/front', 'reviews'], await toPlane())
    expect({ code, stderr }).toEqual({
      code: 5,
      stderr: expect.stringContaining('No connected proxy is that of shop/front') as unknown,
    })
  })

  it.each([
    ['agent_timeout', 'third/shop/caller', 8],
    ['agent_unavailable', 'shop/caller', 8],
    ['agent_timeout', 'west/shop/caller', 5],
    ['agent_timeout', 'west/shop/frontend', 0],
  ])('with the %s of another cluster, asked for %s, it exits with %d', async (reason, from, expected) => {
    const plane = await toPlane()
    const path = 'GET /v1/meshes/prod/proxies'
    const listed = plane.answers?.[path] as FakeAnswer | undefined
    const part = { ...(listed?.body as object), unavailable: [{ cluster: 'third', reason }] }
    const world = { ...plane, answers: { ...plane.answers, [path]: { status: 200, body: part } } }
    const { code, stderr } = await runFake(['why', from, ...asked], world)
    expect(code).toBe(expected)
    expect(stderr.includes('--no-proxy')).toBe(expected === 5)
    expect(stderr.includes('Whether shop/caller is connected in third is not known')).toBe(expected === 8)
  })

  it('names the ports of a service without an address that is asked for another', async () => {
    const plane = await toPlane()
    const path = `GET /v1/meshes/prod/services/shop/${hostname}`
    const text = JSON.stringify(plane.answers?.[path]).replace('"10.96.0.1"', '')
    const answers = { ...plane.answers, [path]: JSON.parse(text) as { status: number; body: unknown } }
    const { code, stdout } = await runFake(['why', 'shop/frontend', 'http://reviews:9999'], { ...plane, answers })
    expect(code).toBe(9)
    expect(stdout).toContain('Not reachable (unknown-port)')
    expect(stdout).toContain(`${hostname} has no port 9999; it has 9080 (http)`)
    expect(stdout).not.toContain('egress')
  })

  it('does not say that a call arrives where the proxy of who is called is not connected', async () => {
    const plane = await toPlane()
    const path = 'GET /v1/meshes/prod/proxies'
    const one = { items: [toProxy('frontend-5d8f7c9b44-x2x4z')], nextCursor: null, unavailable: [] }
    const world = { ...plane, answers: { ...plane.answers, [path]: { status: 200, body: one } } }
    const { code, stdout, stderr } = await runFake(['why', 'shop/frontend', ...asked], world)
    expect({ code, stderr }).toEqual({ code: 10, stderr: 'Whether it arrives is not known\n' })
    expect(stdout).toContain(
      'Not known (not-followed)\nNothing stops it as far as it can be followed; 10.244.0.1:9080 in west has no proxy that can be asked\n',
    )
  })

  it('says that a proxy is served no such subset, without knowing what rules there are', async () => {
    const plane = await toPlane()
    const path = `GET /v1/meshes/prod/proxies/west/${encodeURIComponent('sidecar/shop/frontend-5d8f7c9b44-x2x4z')}/config`
    const answer = plane.answers?.[path]
    const body: unknown = JSON.parse(
      JSON.stringify(answer).replaceAll(
        `"cluster":"outbound|9080||${hostname}"`,
        `"cluster":"outbound|9080|v7|${hostname}"`,
      ),
    )
    const world = { ...plane, answers: { ...plane.answers, [path]: body as NonNullable<typeof answer> } }
    const { code, stdout } = await runFake(['why', 'shop/frontend', ...asked], world)
    expect(code).toBe(9)
    expect(stdout).toContain('Not reachable (no-such-subset): the client gets 503')
    expect(stdout).toContain('is served no such subset')
    expect(stdout).not.toContain('no DestinationRule')
  })

  it('follows calls of a pod without a proxy', async () => {
    const { code, stdout } = await runFake(
      ['why', 'west/shop/job', 'reviews', '--no-proxy', '-o', 'name'],
      await toPlane(),
    )
    expect({ code, stdout }).toEqual({ code: 9, stdout: 'plaintext-to-strict\n' })
  })
})
