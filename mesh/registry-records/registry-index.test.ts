import { east, makeObject, network1 } from '#test/mesh/records.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ConfigObject, objectKeyOf } from '../config-object.ts'
import { toServiceKey } from '../names.ts'
import { emptyReading, type ObjectChange, type RegistryDifference, RegistryIndex } from './registry-index.ts'

const makeIndex = (): RegistryIndex =>
  new RegistryIndex({ cluster: east, network: network1, domainSuffix: 'cluster.local' })
const put = (object: ConfigObject): ObjectChange => ({ key: objectKeyOf(object), value: object })
const gone = (object: ConfigObject): ObjectChange => ({ key: objectKeyOf(object), value: null })

const key = toServiceKey('default', 'reviews.default.svc.cluster.local')
const selector = { app: 'reviews' }
const service = (spec: ConfigObject['spec'] = {}, metadata: Partial<ConfigObject['metadata']> = {}): ConfigObject =>
  makeObject('Service', 'reviews', { selector, ports: [{ name: 'http', port: 80 }], ...spec }, metadata)
const workloadEntry = (
  name: string,
  spec: ConfigObject['spec'] = {},
  metadata: Partial<ConfigObject['metadata']> = {},
): ConfigObject => makeObject('WorkloadEntry', name, { address: '10.0.0.1', labels: selector, ...spec }, metadata)

/** The only endpoint of the service that these objects make. */
const endpointOf = (...objects: readonly ConfigObject[]) => {
  const index = makeIndex()
  index.apply(objects.map(put))
  const endpoints = index.catalog().get(key)?.endpoints ?? []
  expect(endpoints).toHaveLength(1)
  return endpoints[0]
}

describe('a Service', () => {
  test.each([
    ['tells no nodes', {}, undefined],
    ['of one node tells where its endpoints are: a machine is a node', { internalTrafficPolicy: 'Local' }, '10.0.0.1'],
    ['that prefers one too', { trafficDistribution: 'PreferSameNode' }, '10.0.0.1'],
  ])('%s', (_, spec, node) => {
    expect(endpointOf(service(spec), workloadEntry('a'))?.node).toBe(node)
  })

  test('becomes a service of the mesh', () => {
    const index = makeIndex()
    index.apply([
      put(
        service(
          {
            clusterIP: '127.1.0.1',
            ports: [
              { name: 'http', port: 80 },
              { name: 'db', port: 3306 },
              { name: 'x', port: 9, appProtocol: 'grpc' },
            ],
          },
          { labels: { team: 'a' }, annotations: { 'networking.istio.io/exportTo': '., shop' } },
        ),
      ),
    ])
    expect(index.catalog().get(key)?.service).toEqual({
      key,
      namespace: 'default',
      hostname: 'reviews.default.svc.cluster.local',
      addresses: ['127.1.0.1'],
      ports: [
        { name: 'http', number: 80, protocol: 'http' },
        { name: 'db', number: 3306, protocol: 'tcp' },
        { name: 'x', number: 9, protocol: 'grpc' },
      ],
      resolution: 'static',
      location: 'mesh-internal',
      exportTo: ['.', 'shop'],
      source: 'service',
      labels: { team: 'a' },
      subjectAltNames: [],
    })
  })

  test('of type ExternalName is another name, without endpoints', () => {
    const index = makeIndex()
    const alias = { type: 'ExternalName', externalName: 'Ratings.shop.svc.cluster.local.' }
    index.apply([put(service(alias)), put(workloadEntry('a'))])
    expect(index.catalog().get(key)).toMatchObject({
      service: { aliasOf: 'ratings.shop.svc.cluster.local', resolution: 'dns', addresses: [] },
      endpoints: [],
    })
  })

  test.each(['localhost', 'a.localhost'])('of type ExternalName leads no proxy to its own %s', (externalName) => {
    const index = makeIndex()
    index.apply([put(service({ type: 'ExternalName', externalName }))])
    const found = index.catalog().get(key)
    expect(found).toMatchObject({ service: { resolution: 'static' }, endpoints: [] })
    expect(found?.service.aliasOf).toBeUndefined()
  })

  test('without a virtual IP, an annotation or a port name has none, is for all, has a port without a name', () => {
    const index = makeIndex()
    index.apply([put(service({ clusterIP: 'None', ports: [{ port: 80 }] }))])
    expect(index.catalog().get(key)?.service).toMatchObject({
      addresses: [],
      exportTo: ['*'],
      ports: [{ name: '', number: 80, protocol: 'auto' }],
    })
  })

  test('is served by the workloads of its namespace that carry its selector’s labels', () => {
    const index = makeIndex()
    index.apply([
      put(service()),
      put(workloadEntry('b')),
      put(workloadEntry('a', { labels: { ...selector, version: 'v1' } })),
      put(workloadEntry('other-app', { labels: { app: 'other' } })),
      put(workloadEntry('other-namespace', {}, { namespace: 'other' })),
    ])
    expect(
      index
        .catalog()
        .get(key)
        ?.endpoints.map(({ id }) => id),
    ).toEqual(['a', 'b'])
  })

  test.each([[{}], [undefined]])('with the selector %j is served by nobody', (none) => {
    const index = makeIndex()
    index.apply([put(service({ selector: none })), put(workloadEntry('a'))])
    expect(index.catalog().get(key)?.endpoints).toEqual([])
  })

  test.each([
    ['the same number', {}, {}, { http: 80 }],
    ['the number that the workload gives the port', {}, { http: 8080 }, { http: 8080 }],
    ['a number', { targetPort: 9000 }, { http: 8080 }, { http: 9000 }],
    ['a name', { targetPort: 'web' }, { web: 8081 }, { http: 8081 }],
  ])('reaches a workload at %s', (_, port, ports, expected) => {
    expect(
      endpointOf(service({ ports: [{ name: 'http', port: 80, ...port }] }), workloadEntry('a', { ports }))?.ports,
    ).toEqual(expected)
  })

  test.each(['web', 'constructor'])('is not served by a workload that does not name the port %s', (targetPort) => {
    const index = makeIndex()
    index.apply([put(service({ ports: [{ name: 'http', port: 80, targetPort }] })), put(workloadEntry('a'))])
    expect(index.catalog().get(key)?.endpoints).toEqual([])
  })
})

test('pods and machines serve side by side, behind a Service and behind a ServiceEntry', () => {
  const index = makeIndex()
  const pod = { namespace: 'default', name: 'pod-1', address: '10.0.1.1', labels: selector, serviceAccount: 'reviews' }
  const mixed = makeObject('ServiceEntry', 'mixed', {
    hosts: ['mixed.example'],
    location: 'MESH_INTERNAL',
    resolution: 'STATIC',
    ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
    workloadSelector: { labels: selector },
  })
  const machine = workloadEntry('machine-1', { serviceAccount: 'reviews' })
  const workload = { ...pod, network: network1, locality: '', origin: 'pod' as const }
  index.apply([
    put(service()),
    put(mixed),
    put(machine),
    { key: 'Pod/default/pod-1', reading: { ...emptyReading, workload } },
  ])
  const served = () =>
    [key, toServiceKey('default', 'mixed.example')].map((name) =>
      index
        .catalog()
        .get(name)
        ?.endpoints.map(({ id, address }) => `${id} ${address}`),
    )
  const both = ['machine-1 10.0.0.1', 'pod-1 10.0.1.1']
  expect(served()).toEqual([both, both])
  index.apply([gone(machine)])
  expect(served()).toEqual([['pod-1 10.0.1.1'], ['pod-1 10.0.1.1']])
})

describe('a WorkloadEntry', () => {
  test('becomes an endpoint with all that it says', () => {
    const entry = workloadEntry(
      'a',
      { network: 'other', locality: 'r/z', weight: 5, serviceAccount: 'sa', labels: { ...selector, version: 'v1' } },
      { labels: { version: 'v2' } },
    )
    expect(endpointOf(service(), entry)).toEqual({
      id: 'a',
      cluster: east,
      network: 'other',
      locality: 'r/z',
      address: '10.0.0.1',
      ports: { http: 80 },
      labels: { ...selector, version: 'v2' },
      weight: 5,
      health: 'healthy',
      serviceAccount: 'sa',
      tls: 'mutual',
    })
  })

  test.each([
    [undefined, 'sa', 'mutual'],
    [undefined, undefined, 'none'],
    ['istio', undefined, 'mutual'],
    ['disabled', 'sa', 'none'],
    ['surprise', 'sa', 'none'],
  ])('with the tlsMode %s and the service account %s: tls %s', (mode, serviceAccount, expected) => {
    const labels = { ...selector, ...(mode !== undefined && { 'security.istio.io/tlsMode': mode }) }
    expect(endpointOf(service(), workloadEntry('a', { labels, serviceAccount }))?.tls).toBe(expected)
  })

  test.each([
    ['unhealthy', 'unhealthy', 0],
    ['draining', 'draining', 0],
    ['well', 'healthy', 1],
  ])('with the health annotation "%s" is %s', (annotation, expected, problemCount) => {
    const index = makeIndex()
    index.apply([put(service()), put(workloadEntry('a', {}, { annotations: { 'atoll.dev/health': annotation } }))])
    expect(index.catalog().get(key)?.endpoints[0]?.health).toBe(expected)
    expect(index.workloads().get('default/a')?.health).toBe(expected)
    expect(index.problems()).toHaveLength(problemCount)
  })

  test('with a host name can’t serve a Service, and is reported', () => {
    const index = makeIndex()
    index.apply([put(service()), put(workloadEntry('a', { address: 'host.example.org' }))])
    expect(index.catalog().get(key)?.endpoints).toEqual([])
    expect(index.problems()).toMatchObject([{ code: 'invalid', object: { kind: 'Service', name: 'reviews' } }])
  })
})

describe('a ServiceEntry', () => {
  const ports = [
    { number: 80, name: 'http', protocol: 'HTTP' },
    { number: 443, name: 'tls', protocol: 'TLS', targetPort: 8443 },
  ]
  const entry = (spec: ConfigObject['spec']): ConfigObject =>
    makeObject('ServiceEntry', 'api', { hosts: ['api.example.org'], ports, ...spec })
  const apply = (...objects: readonly ConfigObject[]) => {
    const index = makeIndex()
    index.apply(objects.map(put))
    return index.catalog().get(toServiceKey('default', 'api.example.org'))
  }

  test('says what its fields say', () => {
    const found = apply(
      entry({
        hosts: ['API.example.org', 'b.example.org'],
        addresses: ['192.0.2.9'],
        location: 'MESH_INTERNAL',
        resolution: 'STATIC',
        exportTo: ['.'],
        subjectAltNames: ['spiffe://x/y'],
        endpoints: [{ address: '192.0.2.1', ports: { http: 8080 }, serviceAccount: 'sa' }, { address: '192.0.2.1' }],
      }),
    )
    expect(found?.service).toMatchObject({
      hostname: 'api.example.org',
      addresses: ['192.0.2.9'],
      ports: [
        { name: 'http', number: 80, protocol: 'http' },
        { name: 'tls', number: 443, protocol: 'tls' },
      ],
      resolution: 'static',
      location: 'mesh-internal',
      exportTo: ['.'],
      source: 'service-entry',
      subjectAltNames: ['spiffe://x/y'],
    })
    expect(found?.endpoints).toMatchObject([
      { id: 'api/192.0.2.1', ports: { http: 8080, tls: 8443 }, tls: 'mutual' },
      { id: 'api/192.0.2.1#2', ports: { http: 80, tls: 8443 }, tls: 'none' },
    ])
  })

  test.each([
    ['DNS', { resolution: 'DNS' }, ['api/api.example.org']],
    ['DNS with endpoints', { resolution: 'DNS', endpoints: [{ address: 'a.example.net' }] }, ['api/a.example.net']],
    ['DNS with a selector', { resolution: 'DNS', workloadSelector: { labels: selector } }, ['w']],
    ['NONE', { resolution: 'NONE' }, []],
    ['STATIC with an empty selector', { resolution: 'STATIC', workloadSelector: {} }, ['v', 'w']],
    ['STATIC without anything', { resolution: 'STATIC' }, []],
  ])('with resolution %s has these endpoints', (_, spec, expected) => {
    const found = apply(entry(spec), workloadEntry('w'), workloadEntry('v', { labels: { app: 'other' } }))
    expect(found?.endpoints.map(({ id }) => id)).toEqual(expected)
  })

  test('with resolution DYNAMIC_DNS goes where clients name', () => {
    const index = makeIndex()
    index.apply([put(entry({ resolution: 'DYNAMIC_DNS', hosts: ['*.example.org'] }))])
    expect(index.catalog().get(toServiceKey('default', '*.example.org'))).toMatchObject({
      service: { resolution: 'none', isNamedByClient: true },
      endpoints: [],
    })
  })

  test('has no host that is another namespace’s by name, and is told so', () => {
    const index = makeIndex()
    const hosts = ['payments.pay.svc.cluster.local', 'api.example.org', '*.svc.cluster.local']
    index.apply([put(makeObject('ServiceEntry', 'squatter', { hosts, ports: [{ number: 80, name: 'http' }] }))])
    expect([...index.catalog().keys()]).toEqual(['default/api.example.org'])
    expect(index.problems()).toMatchObject([
      {
        code: 'conflict',
        severity: 'warning',
        path: 'spec.hosts[0]',
        message: expect.stringContaining('namespace pay'),
      },
      {
        code: 'conflict',
        severity: 'warning',
        path: 'spec.hosts[2]',
        message: expect.stringContaining('all namespaces'),
      },
    ])
  })

  test('and a Service of the same name are one service, the Service first', () => {
    const index = makeIndex()
    const same = makeObject('ServiceEntry', 'api', {
      hosts: ['reviews.default.svc.cluster.local'],
      ports: [{ number: 80, name: 'web', protocol: 'TCP' }],
      resolution: 'STATIC',
      endpoints: [{ address: '192.0.2.1' }],
    })
    index.apply([put(same), put(service()), put(workloadEntry('a'))])
    expect(index.catalog().get(key)).toMatchObject({
      service: { source: 'service', ports: [{ name: 'http', number: 80, protocol: 'http' }] },
      endpoints: [{ id: 'a' }, { id: 'api/192.0.2.1', ports: { http: 80 } }],
    })
    expect(index.problems()).toMatchObject([{ code: 'conflict' }])
  })
})

describe('RegistryIndex', () => {
  test('tells only what is different', () => {
    const index = makeIndex()
    const other = makeObject('Service', 'other', { selector: { app: 'other' }, ports: [{ name: 'http', port: 80 }] })
    index.apply([put(service()), put(other), put(workloadEntry('a'))])
    const same = index.apply([put(service()), put(workloadEntry('a'))])
    expect(same).toEqual({ catalog: [], workloads: [] })
    const changed = index.apply([put(workloadEntry('a', { weight: 2 }))])
    expect(changed.catalog.map((each) => each.service)).toEqual([key])
    expect(changed.workloads).toMatchObject([{ key: 'default/a', value: { weight: 2 } }])
    const removed = index.apply([gone(service()), gone(workloadEntry('a'))])
    expect(removed).toEqual({
      catalog: [{ service: key, value: null }],
      workloads: [{ key: 'default/a', value: null }],
    })
    expect(index.catalog().size).toBe(1)
  })

  test('takes a workload from a service to another when its labels change', () => {
    const index = makeIndex()
    const other = makeObject('Service', 'other', { selector: { app: 'other' }, ports: [{ name: 'http', port: 80 }] })
    index.apply([put(service()), put(other), put(workloadEntry('a'))])
    const { catalog } = index.apply([put(workloadEntry('a', { labels: { app: 'other' } }))])
    expect(catalog.map(({ value }) => [value?.service.hostname, value?.endpoints.length])).toEqual([
      ['other.default.svc.cluster.local', 1],
      ['reviews.default.svc.cluster.local', 0],
    ])
  })

  test('leaves out and reports what a schema refuses, until it is mended', () => {
    const index = makeIndex()
    index.apply([put(service({ ports: [{ port: 'http' }] }))])
    expect(index.catalog().size).toBe(0)
    expect(index.problems()).toMatchObject([
      { code: 'invalid', object: { kind: 'Service', name: 'reviews' }, path: 'spec.ports[0].port' },
    ])
    index.apply([put(service())])
    expect(index.problems()).toEqual([])
  })

  test('passes over other kinds', () => {
    const index = makeIndex()
    expect(index.apply([put(makeObject('DestinationRule', 'a', { host: 'reviews' }))])).toEqual({
      catalog: [],
      workloads: [],
    })
    expect(index.problems()).toEqual([])
  })

  test('comes to the same however changes are ordered and batched, and its differences add up', () => {
    const labels = fc.constantFrom(selector, { app: 'other' }, { ...selector, version: 'v1' })
    const objects = fc.oneof(
      fc
        .tuple(fc.constantFrom('reviews', 'other'), labels)
        .map(([name, found]) => makeObject('Service', name, { selector: found, ports: [{ name: 'http', port: 80 }] })),
      fc
        .tuple(fc.constantFrom('a', 'b', 'c'), labels, fc.constantFrom('10.0.0.1', 'host.example.org'))
        .map(([name, found, address]) => workloadEntry(name, { labels: found, address })),
      fc.tuple(fc.constantFrom('x', 'y'), labels).map(([name, found]) =>
        makeObject('ServiceEntry', name, {
          hosts: ['reviews.default.svc.cluster.local', 'other.example.org'],
          ports: [{ number: 80, name, protocol: 'HTTP' }],
          resolution: 'STATIC',
          workloadSelector: { labels: found },
        }),
      ),
    )
    const changes = fc
      .tuple(objects, fc.integer({ min: 0, max: 3 }))
      .map(([object, number]) => (number === 0 ? gone(object) : put(object)))
    fc.assert(
      fc.property(fc.array(fc.array(changes, { maxLength: 5 }), { size: 'max', maxLength: 10 }), (batches) => {
        const stepwise = makeIndex()
        const added = { catalog: new Map<string, unknown>(), workloads: new Map<string, unknown>() }
        const add = (difference: RegistryDifference): void => {
          for (const { service: name, value } of difference.catalog)
            if (value) added.catalog.set(name, value)
            else added.catalog.delete(name)
          for (const { key: name, value } of difference.workloads)
            if (value) added.workloads.set(name, value)
            else added.workloads.delete(name)
        }
        for (const batch of batches) add(stepwise.apply(batch))
        const atOnce = makeIndex()
        const latest = new Map(batches.flat().map((change) => [change.key, change]))
        atOnce.apply([...latest.values()].filter(({ value }) => value !== null).toReversed())
        expect(stepwise.catalog()).toEqual(atOnce.catalog())
        expect(stepwise.workloads()).toEqual(atOnce.workloads())
        expect(new Set(stepwise.problems())).toEqual(new Set(atOnce.problems()))
        expect(added).toEqual({ catalog: stepwise.catalog(), workloads: stepwise.workloads() })
      }),
      { numRuns: 300 },
    )
  })
})
