import { describe, expect, it } from 'vitest'
import { fakeKubernetes } from './fake-kubernetes.ts'
import type { FakeCluster } from './fake-kubernetes.ts'
import { planeUrl, runFake } from './fake-io.ts'
import type { FakeWorld } from './fake-io.ts'

const clusterOf = (name: string, network: string) => ({
  name,
  network,
  kind: 'kubernetes',
  joinedAt: '2026-11-21T12:00:00Z',
  connected: true,
  lastSeenAt: null,
  replicas: [],
  contribution: 'live',
  gateways: [],
  services: 1,
  endpoints: 1,
  certificateExpiresAt: null,
  holds: [],
  probes: [],
})
const mesh = {
  id: 'm1',
  name: 'shop',
  createdAt: '2026-11-21T12:00:00Z',
  settings: { meshId: 'm1', meshName: 'shop', trustDomain: 'shop.test' },
  revision: 0,
  clusters: 0,
}
const plane: FakeWorld['answers'] = {
  'GET /v1/meshes/shop': { status: 200, body: mesh },
  'GET /v1/meshes/shop/clusters': { status: 200, body: { items: [], nextCursor: null } },
}

const healthy = { status: 200, body: { status: 'ok', version: '0.2.0', setUp: true } }
const probes = {
  [`${planeUrl}/healthz`]: healthy,
  'https://pods.test/healthz': healthy,
  'https://shop.test/healthz': { status: 200, body: 'Welcome' },
  'https://private.test/healthz': Object.assign(new Error('self-signed certificate'), {
    code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
  }),
}

const check = (cluster: FakeCluster, args: readonly string[] = [], answers = plane) =>
  runFake(['check', '--context', 'east', ...args], { kubernetes: fakeKubernetes(cluster), answers, probes })

const page = (...items: object[]) => ({ metadata: {}, items })
const named = (name: string, more: object = {}) => ({ metadata: { name, resourceVersion: '1', ...more } })
const webhooks = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations'
const istio = {
  ...named('istio-sidecar-injector'),
  webhooks: [
    { namespaceSelector: { matchExpressions: [{ key: 'istio-injection', operator: 'In', values: ['enabled'] }] } },
  ],
}
const crd = (managers: readonly string[]) =>
  named('sidecars.networking.istio.io', { managedFields: managers.map((manager) => ({ manager })) })
const crdPath = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/sidecars.networking.istio.io'

describe('atoll check', () => {
  it('changes nothing, and exits with 0 when a cluster is fit', async () => {
    const { code, stdout } = await check({})
    expect(stdout).not.toMatch(/failure|warning/)
    expect(code).toBe(0)
  })

  it.each<[string, FakeCluster, string[], number]>([
    ['version_too_old', { version: 'v1.29.9' }, [], 6],
    ['permission_missing', { forbidden: ['create deployments'] }, [], 6],
    ['injector_conflict', { objects: { [webhooks]: page(istio) } }, [], 6],
    [
      'other_cluster',
      { objects: { '/api/v1/namespaces/atoll-system': named('x', { annotations: { 'atoll.dev/cluster': 'west' } }) } },
      ['--cluster', 'east'],
      6,
    ],
    ['plane_on_loopback', {}, ['--plane', 'http://127.0.0.1:8787'], 6],
    ['plane_not_asked', {}, ['--plane', 'https://inside.test'], 0],
    ['plane_unknown', {}, ['--plane', 'https://shop.test'], 0],
    ['plane_untrusted', {}, ['--plane', 'https://private.test'], 0],
    ['crd_foreign', { objects: { [crdPath]: crd(['atoll', 'helm']) } }, [], 0],
    ['pod_range_unknown', { objects: { '/api/v1/nodes': page(named('n')) } }, ['--network', 'flat'], 0],
  ])('finds %s, alone, and says what to do', async (code, cluster, args, exitCode) => {
    expect(await check(cluster, ['-o', 'name', ...args])).toMatchObject({ stdout: `${code}\n`, code: exitCode })
    expect((await check(cluster, args)).stdout).toMatch(new RegExp(`\\(${code}\\)\\n +→ \\w`))
  })

  it.each<[string, FakeCluster, string[]]>([
    ['our own CRDs', { objects: { [crdPath]: crd(['atoll', 'kube-apiserver']) } }, []],
    ["Istio's injector, when ours has a revision", { objects: { [webhooks]: page(istio) } }, ['--revision', 'atoll']],
    ['our own injector', { objects: { [webhooks]: page({ ...istio, ...named('atoll-injector') }) } }, []],
  ])('has nothing against %s', async (_, cluster, args) => {
    expect(await check(cluster, ['-o', 'name', ...args])).toMatchObject({ stdout: '', code: 0 })
  })

  it('finds a cluster on the same network whose pods have the same addresses', async () => {
    const service = { namespace: 'shop', hostname: 'reviews.shop.svc.cluster.local' }
    const ports = [{ name: 'http', number: 80, protocol: 'http' }]
    const summary = {
      key: 'shop/reviews.shop.svc.cluster.local',
      ...service,
      ports,
      location: 'mesh-internal',
      addresses: [],
      resolution: 'static',
      exportTo: ['*'],
      source: 'service',
      labels: {},
      subjectAltNames: [],
    }
    const where = { cluster: 'west', network: 'flat', contribution: 'live', endpoints: 1, healthy: 1 }
    const place = { cluster: 'west', network: 'flat', locality: '', address: '10.1.0.9', ports: { http: 80 } }
    const endpoint = { id: 'a', ...place, labels: {}, weight: 1, health: 'healthy', tls: 'mutual' }
    const answers: FakeWorld['answers'] = {
      ...plane,
      'GET /v1/meshes/shop/clusters': {
        status: 200,
        body: { items: [clusterOf('west', 'flat'), clusterOf('far', 'other')], nextCursor: null },
      },
      'GET /v1/meshes/shop/services': {
        status: 200,
        body: { items: [{ ...summary, clusters: [where] }], nextCursor: null },
      },
      'GET /v1/meshes/shop/services/shop/reviews.shop.svc.cluster.local': {
        status: 200,
        body: { service: summary, clusters: [where], endpoints: [endpoint], endpointsLeftOut: 0 },
      },
    }
    const nodes = { objects: { '/api/v1/nodes': page({ ...named('n'), spec: { podCIDRs: ['10.1.0.0/24'] } }) } }
    const { stdout } = await check(nodes, ['--network', 'flat'], answers)
    expect(stdout).toContain('west on the same network flat has 10.1.0.9 (pod_range_overlap)')
    expect((await check(nodes, ['--network', 'own'], answers)).stdout).not.toContain('pod_range_overlap')
  })

  it('asks the very URL that it says is well', async () => {
    expect((await check({}, ['--plane', 'https://pods.test/'])).stdout).toMatch(
      /ok +plane: https:\/\/pods\.test answers/,
    )
  })

  it.each([
    ['--plane', 'not-a-url'],
    ['--plane', 'http://plane.test'],
    ['--plane-ca', 'package.json'],
    ['--plane-ca', 'no-such-file'],
  ])('refuses %s %s by its name', async (option, value) => {
    const { code, stderr } = await check({}, [option, value])
    expect(code).toBe(2)
    expect(stderr).toContain(`${option} ${value} `)
  })

  it('says that the plane does not answer, and what is known without it', async () => {
    const { code, stdout } = await check({}, ['--network', 'flat'], {})
    expect(stdout).toContain('plane_unreachable')
    expect(stdout).toMatch(/ok +version/)
    expect(code).toBe(6)
  })
})
