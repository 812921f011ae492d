import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { KeptPods } from '#agent/registry/kubernetes/kept-pods.ts'
import { knownPod } from '#agent/registry/kubernetes/pod-directory.ts'
import { SealedSnapshot } from '#agent/store/sealed-snapshot.ts'
import { loadSealingKey } from '#agent/store/sealing-key.ts'
import { temporaryDirectory } from '../../temporary-directory.ts'
import { untilHolds } from '../../until-holds.ts'
import { VirtualClock } from '../../virtual-clock.ts'
import { FakeApiServer } from './fake-api-server.ts'
import {
  gateway,
  injected,
  injectedAnnotations,
  kubeNamespace,
  kubeNode,
  kubePod,
  kubeService,
  kubeSlice,
  paths,
  proxied,
  shop,
} from './kube-objects.ts'
import { createRegistry, serviceKey } from './registry-fixture.ts'

describe('what an API server has', () => {
  test('is said in one batch, when all of it has been read', async () => {
    const server = shop()
    server.held.add(paths.nodes)
    const { batches, start, registry, addresses, state } = createRegistry(server)
    start()
    await untilHolds(() => expect(server.watches).toBe(4))
    expect(batches).toEqual([])
    server.held.clear()
    await registry.synced
    expect(batches).toHaveLength(1)
    expect(addresses('reviews')).toEqual(['10.1.0.1', '10.1.0.2'])
    expect(state).toEqual({ gateways: [], namespaces: ['atoll-system', 'shop'] })
  })

  test('joins endpoints with their pods and nodes', async () => {
    const { entry, synced, workloads } = createRegistry(shop())
    await synced()
    expect(entry('reviews')?.endpoints).toEqual([
      {
        id: 'reviews-1',
        cluster: 'east',
        network: 'net-east',
        locality: 'eu/a',
        address: '10.1.0.1',
        ports: { http: 8080 },
        labels: { app: 'reviews' },
        weight: 1,
        health: 'healthy',
        serviceAccount: 'reviews',
        tls: 'mutual',
        origin: 'pod',
      },
      expect.objectContaining({ id: 'reviews-2', tls: 'none' }),
    ])
    expect(workloads.get('shop/reviews-1')).toEqual({
      namespace: 'shop',
      name: 'reviews-1',
      address: '10.1.0.1',
      labels: { app: 'reviews' },
      serviceAccount: 'reviews',
      network: 'net-east',
      locality: 'eu/a',
      ports: { web: 8080 },
      health: 'healthy',
      node: 'node-1',
      origin: 'pod',
      capture: 'transparent',
    })
    expect(workloads.get('shop/reviews-2')).not.toHaveProperty('capture')
  })

  test.each([
    [{ ready: true }, 'healthy'],
    [{}, 'healthy'],
    [{ ready: true, terminating: true }, 'healthy'],
    [{ ready: false }, 'unhealthy'],
    [{ ready: false, serving: true, terminating: true }, 'draining'],
  ])('an endpoint with the conditions %j is %s', async (conditions, health) => {
    const server = shop()
    server.put(paths.slices, kubeSlice('ratings', [9], conditions))
    const { entry, synced } = createRegistry(server)
    await synced()
    expect(entry('ratings')?.endpoints).toMatchObject([{ health }])
  })

  test('tells the nodes of endpoints where their Service keeps traffic there', async () => {
    const server = shop()
    const { entry, synced } = createRegistry(server)
    await synced()
    expect(entry('reviews')?.endpoints[0]).not.toHaveProperty('node')
    server.put(paths.services, kubeService('reviews', { spec: { internalTrafficPolicy: 'Local' } }))
    const endpoints = [{ node: 'node-1' }, { node: 'node-1' }]
    await untilHolds(() => expect(entry('reviews')).toMatchObject({ service: { isNodeLocal: true }, endpoints }))
  })

  test('follows a node whose zone changes, and a pod on another network', async () => {
    const { entry, synced, server, workloads } = createRegistry(shop())
    await synced()
    server.put(paths.nodes, kubeNode('node-1', 'b'))
    await untilHolds(() => expect(entry('reviews')?.endpoints[0]?.locality).toBe('eu/b'))
    expect(workloads.get('shop/ratings-9')?.locality).toBe('eu/b')
    const labels = { app: 'ratings', 'topology.istio.io/network': 'net-other' }
    server.put(paths.pods, kubePod('ratings', 9, { metadata: { labels } }))
    await untilHolds(() => expect(entry('ratings')?.endpoints[0]?.network).toBe('net-other'))
  })

  test("knows where a pod's own metrics are, and which pod says it in a way that is not understood", async () => {
    const annotated = (text: string) =>
      kubePod('reviews', 1, {
        metadata: { annotations: { ...injectedAnnotations, 'atoll.dev/scrape-target': text } },
        spec: proxied,
      })
    const { synced, server, workloads, registry } = createRegistry(shop())
    server.put(paths.pods, annotated('{"port": 8080, "path": "/metrics"}'))
    await synced()
    expect(workloads.get('shop/reviews-1')?.scrapeTarget).toEqual({ port: 8080, path: '/metrics' })
    expect(registry.problems()).toEqual([])
    server.put(paths.pods, annotated('{"port": 15020, "path": "/stats/prometheus"}'))
    await untilHolds(() => expect(workloads.get('shop/reviews-1')).not.toHaveProperty('scrapeTarget'))
    const path = 'metadata.annotations["atoll.dev/scrape-target"]'
    expect(registry.problems()).toMatchObject([{ source: 'Pod', problem: { code: 'invalid', path } }])
  })

  test('knows where the probes of a pod lead, and which pod says it in a way that is not understood', async () => {
    const routes = { '/app-health/web/readyz': { httpGet: { port: 8080, path: '/ready', scheme: 'HTTP' } } }
    const withProbes = (text: string) =>
      kubePod('reviews', 1, {
        metadata: { annotations: { ...injectedAnnotations, 'atoll.dev/probe-routes': text } },
        spec: proxied,
      })
    const { synced, server, workloads, registry } = createRegistry(shop())
    server.put(paths.pods, withProbes(JSON.stringify(routes)))
    await synced()
    expect(workloads.get('shop/reviews-1')?.probeRoutes).toEqual(routes)
    expect(registry.problems()).toEqual([])
    server.put(paths.pods, withProbes('{"/admin": {}}'))
    await untilHolds(() => expect(workloads.get('shop/reviews-1')).not.toHaveProperty('probeRoutes'))
    expect(workloads.get('shop/reviews-1')).toMatchObject({ capture: 'transparent' })
    expect(registry.problems()).toMatchObject([
      {
        source: 'Pod',
        problem: {
          code: 'invalid',
          object: { kind: 'Pod', namespace: 'shop', name: 'reviews-1' },
          path: 'metadata.annotations["atoll.dev/probe-routes"]',
        },
      },
    ])
    server.put(paths.pods, kubePod('reviews', 1, injected))
    await untilHolds(() => expect(registry.problems()).toEqual([]))
  })

  test('a pod that speaks mutual TLS with a sidecar that is not ours has one of Istio’s', async () => {
    const server = shop()
    const status =
      '{"initContainers":["istio-init"],"containers":["istio-proxy"],"volumes":["istiod-ca-cert"],"revision":"default"}'
    const labels = { app: 'reviews', 'security.istio.io/tlsMode': 'istio' }
    server.put(
      paths.pods,
      kubePod('reviews', 1, { metadata: { labels, annotations: injectedAnnotations }, spec: proxied }),
      kubePod('reviews', 2, { metadata: { labels, annotations: { 'sidecar.istio.io/status': status } } }),
      kubePod('reviews', 3, { metadata: { annotations: { 'sidecar.istio.io/status': status } } }),
      // Our annotation, copied from another pod
      kubePod('reviews', 4, { metadata: { labels, annotations: injectedAnnotations } }),
    )
    server.put(paths.slices, kubeSlice('reviews', [1, 2, 3, 4]))
    const { entry, synced } = createRegistry(server)
    await synced()
    await untilHolds(() => expect(entry('reviews')?.endpoints).toHaveLength(4))
    expect(entry('reviews')?.endpoints.map(({ tls, issuer }) => [tls, issuer])).toEqual([
      ['mutual', undefined],
      ['mutual', 'external'],
      ['none', undefined],
      ['mutual', 'external'],
    ])
  })

  test('an endpoint counts while its very pod is known', async () => {
    const { addresses, synced, server } = createRegistry(shop())
    server.put(paths.slices, kubeSlice('reviews', [1, 2, 3]))
    server.put(paths.pods, kubePod('reviews', 3, { metadata: { uid: 'of the one before' } }))
    await synced()
    expect(addresses('reviews')).toEqual(['10.1.0.1', '10.1.0.2'])
    server.put(paths.pods, kubePod('reviews', 3))
    await untilHolds(() => expect(addresses('reviews')).toContain('10.1.0.3'))
    server.put(paths.pods, kubePod('reviews', 3, { status: { phase: 'Failed' } }))
    await untilHolds(() => expect(addresses('reviews')).not.toContain('10.1.0.3'))
    server.delete(paths.pods, kubePod('reviews', 1))
    await untilHolds(() => expect(addresses('reviews')).toEqual(['10.1.0.2']))
  })

  test('a Service without a selector has the endpoints that people write for it', async () => {
    const server = shop()
    server.put(paths.services, kubeService('bank', { spec: { selector: undefined } }))
    const slice = kubeSlice('bank', [])
    server.put(paths.slices, { ...slice, endpoints: [{ addresses: ['192.0.2.1'] }] })
    const { entry, synced } = createRegistry(server)
    await synced()
    expect(entry('bank')?.endpoints).toMatchObject([
      { id: 'bank/192.0.2.1', address: '192.0.2.1', ports: { http: 8080 }, tls: 'none', health: 'healthy' },
    ])
  })

  test('a pod with two addresses is one endpoint, of the family of the Service', async () => {
    const server = shop()
    const second = kubeSlice('ratings', [9])
    server.put(paths.slices, {
      ...second,
      metadata: { ...second.metadata, name: 'ratings-0' },
      addressType: 'IPv6',
      endpoints: [{ addresses: ['fd00::9'], targetRef: { kind: 'Pod', name: 'ratings-9', uid: 'uid-ratings-9' } }],
    })
    const { addresses, synced } = createRegistry(server)
    await synced()
    expect(addresses('ratings')).toEqual(['10.1.0.9'])
  })

  test('of Services: headless ones, exports, protocols and aliases', async () => {
    const server = new FakeApiServer()
    const ports = [
      { name: 'api', port: 90, appProtocol: 'grpc' },
      { name: 'dns', port: 53, protocol: 'UDP' },
    ]
    server.put(
      paths.services,
      kubeService('headless', { spec: { clusterIP: 'None', clusterIPs: ['None'], ports } }),
      kubeService('private', { metadata: { annotations: { 'networking.istio.io/exportTo': '.' } } }),
      kubeService('alias', { spec: { type: 'ExternalName', externalName: 'example.com', clusterIP: '' } }),
      kubeService('sticky', { spec: { sessionAffinity: 'ClientIP' } }),
    )
    const { entry, synced, registry } = createRegistry(server)
    await synced()
    expect(entry('headless')?.service).toMatchObject({
      addresses: [],
      ports: [{ name: 'api', number: 90, protocol: 'grpc' }],
    })
    expect(entry('private')?.service).toMatchObject({ exportTo: ['.'], addresses: ['10.96.0.10'] })
    expect(entry('alias')).toMatchObject({ service: { aliasOf: 'example.com', addresses: [] }, endpoints: [] })
    expect(registry.problems().map(({ problem }) => `${problem.object?.name} ${problem.path}`)).toEqual([
      'sticky spec.sessionAffinity',
    ])
  })

  test('is known by pod', async () => {
    const { registry, synced, server } = createRegistry(shop())
    expect(registry.pods.complete).toBe(false)
    await synced()
    expect(registry.pods.complete).toBe(true)
    expect(registry.pods.find('shop', 'reviews-1')).toMatchObject({
      uid: 'uid-reviews-1',
      serviceAccount: 'reviews',
      labels: { app: 'reviews' },
      ip: '10.1.0.1',
      node: 'node-1',
      injected: true,
    })
    server.put(paths.pods, kubePod('reviews', 1, { status: { phase: 'Succeeded' } }))
    await untilHolds(() => expect(registry.pods.find('shop', 'reviews-1')).toBeUndefined())
  })

  test('tells which pods have a proxy that runs', async () => {
    const server = shop()
    const running = { initContainerStatuses: [{ name: 'istio-proxy', started: true }] }
    const put = (number: number, varied: Parameters<typeof kubePod>[2]) =>
      server.put(paths.pods, kubePod('proxied', number, varied))
    put(1, { spec: proxied, status: running })
    put(2, { spec: proxied, status: { containerStatuses: [{ name: 'istio-proxy', started: true }] } })
    put(3, { spec: proxied, status: { initContainerStatuses: [{ name: 'istio-proxy', started: false }] } })
    put(4, { spec: proxied })
    put(5, { spec: proxied, status: running, metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } })
    // Istio's own proxy, with our annotation copied from another pod
    put(6, { metadata: { annotations: injectedAnnotations }, status: running })
    let changes = 0
    const { registry, synced } = createRegistry(server, { onProxiesChange: () => (changes += 1) })
    await synced()
    const started = () =>
      [...(registry.pods.all() ?? [])].flatMap(({ name, proxyStarted }) => (proxyStarted ? [name] : []))
    expect(started().toSorted()).toEqual(['proxied-1', 'proxied-2'])
    const before = changes
    put(3, { spec: proxied, status: running })
    await untilHolds(() => expect(changes).toBeGreaterThan(before))
    expect(started().toSorted()).toEqual(['proxied-1', 'proxied-2', 'proxied-3'])
  })

  test('tells which namespaces have proxies, or will have', async () => {
    const server = shop()
    server.put(
      paths.namespaces,
      kubeNamespace('labelled', { 'istio-injection': 'enabled' }),
      kubeNamespace('off', { 'istio-injection': 'disabled' }),
      kubeNamespace('canary', { 'istio.io/rev': 'canary' }),
      kubeNamespace('plain'),
    )
    let changes = 0
    const { registry, synced } = createRegistry(server, { onInjectionChange: () => (changes += 1) })
    await synced()
    const injectedIn = (revision = 'default') => [...registry.injectedNamespaces(revision)].toSorted()
    // In shop a pod has one.
    expect(injectedIn()).toEqual(['labelled', 'shop'])
    expect(injectedIn('canary')).toEqual(['canary', 'shop'])
    const before = changes
    server.put(
      paths.pods,
      kubePod('asking', 1, { ...injected, metadata: { namespace: 'plain', annotations: injectedAnnotations } }),
    )
    server.put(paths.namespaces, kubeNamespace('labelled', { unrelated: 'label' }))
    await untilHolds(() => expect(injectedIn()).toEqual(['plain', 'shop']))
    expect(changes).toBe(before + 2)
    // A gateway that nobody has injected is one all the same.
    server.put(paths.pods, kubePod('ingress', 1, { ...gateway, metadata: { ...gateway.metadata, namespace: 'off' } }))
    await untilHolds(() => expect(injectedIn()).toEqual(['off', 'plain', 'shop']))
    expect(changes).toBe(before + 3)
  })

  test('knows gateways, which capture nothing and do not speak mutual TLS', async () => {
    const server = shop()
    const annotations = { ...gateway.metadata.annotations, ...injectedAnnotations }
    server.put(
      paths.pods,
      kubePod('reviews', 1, { ...gateway, metadata: { annotations } }),
      // Of Istio, or without a proxy of any kind
      kubePod('reviews', 2, { metadata: { annotations } }),
    )
    const { registry, entry, synced } = createRegistry(server)
    await synced()
    expect(registry.pods.find('shop', 'reviews-1')).toMatchObject({ isGateway: true, injected: false })
    expect(registry.pods.find('shop', 'reviews-2')?.isGateway).toBeUndefined()
    expect(entry('reviews')?.endpoints.map(({ tls }) => tls)).toEqual(['none', 'none'])
  })

  test('is known by pod after a restart, before an API server is there', async () => {
    const directory = temporaryDirectory()
    const openKept = (clock: VirtualClock) =>
      new KeptPods(
        new SealedSnapshot({
          path: join(directory, 'pods.snapshot'),
          name: 'pods',
          key: loadSealingKey(join(directory, 'sealing.key'), true),
          schema: knownPod,
          report: (problem) => {
            throw new Error(problem)
          },
        }),
        clock,
      )
    const clock = new VirtualClock()
    const first = createRegistry(shop(), { keptPods: openKept(clock) })
    await first.synced()
    const pod = first.registry.pods.find('shop', 'reviews-1')
    await first.registry.stop()

    const server = shop()
    server.held.add(paths.pods)
    const { registry, start } = createRegistry(server, { keptPods: openKept(clock) })
    start()
    expect(registry.pods.complete).toBe(false)
    expect(registry.pods.find('shop', 'reviews-1')).toEqual(knownPod.parse(pod))
    server.delete(paths.pods, kubePod('reviews', 1))
    server.held.delete(paths.pods)
    await untilHolds(() => expect(registry.pods.complete).toBe(true))
    expect(registry.pods.find('shop', 'reviews-1')).toBeUndefined()
  })

  test('is read page by page', async () => {
    const server = new FakeApiServer()
    for (let number = 0; number < 600; number += 1) server.put(paths.services, kubeService(`s${number}`))
    const { services, synced } = createRegistry(server)
    await synced()
    expect(services()).toHaveLength(600)
    expect(server.requests.filter((request) => request === `LIST ${paths.services}`)).toHaveLength(3)
  })
})

describe('a change', () => {
  test('concerns its own service only', async () => {
    const { changedSince, synced, server } = createRegistry(shop())
    await synced()
    server.put(paths.pods, kubePod('ratings', 9, { metadata: { labels: { app: 'ratings', version: 'v2' } } }))
    await untilHolds(() =>
      expect(changedSince(1)).toEqual(['workload shop/ratings-9', `catalog ${serviceKey('ratings')}`]),
    )
  })

  test('of nothing that is used is not said', async () => {
    const { changedSince, batches, synced, server } = createRegistry(shop())
    await synced()
    server.put(paths.pods, kubePod('ratings', 9, { metadata: { managedFields: [{ manager: 'kubectl' }] } }))
    server.put(paths.nodes, { ...kubeNode('node-1', 'a'), status: { addresses: [], conditions: [{ type: 'Ready' }] } })
    server.put(paths.pods, kubePod('last', 1))
    await untilHolds(() => expect(changedSince(1)).toEqual(['workload shop/last-1']))
    expect(batches).toHaveLength(2)
  })

  test('of several things at once is one batch', async () => {
    const { batches, addresses, synced, server } = createRegistry(shop())
    await synced()
    for (const number of [3, 4, 5]) server.put(paths.pods, kubePod('reviews', number))
    server.put(paths.slices, kubeSlice('reviews', [1, 2, 3, 4, 5]))
    await untilHolds(() => expect(addresses('reviews')).toHaveLength(5))
    expect(batches.slice(1).filter(({ changes }) => changes.some(({ kind }) => kind === 'catalog'))).toHaveLength(1)
  })

  test('of the domain suffix renames what there is', async () => {
    const { batches, services, synced, registry } = createRegistry(shop())
    await synced()
    registry.setDomainSuffix('mesh.test')
    expect(services()).toEqual(['reviews', 'ratings'].map((name) => serviceKey(name, 'mesh.test')).toSorted())
    expect(batches.at(-1)?.renamed).toEqual({ from: 'cluster.local', to: 'mesh.test' })
  })
})

test('a network label that does not agree with the cluster is a problem', async () => {
  const server = shop()
  server.put(paths.namespaces, kubeNamespace('atoll-system', { 'topology.istio.io/network': 'net-other' }))
  const { registry, synced } = createRegistry(server)
  await synced()
  expect(registry.problems()).toMatchObject([{ problem: { code: 'conflict', object: { name: 'atoll-system' } } }])
})
