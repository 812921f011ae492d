import { describe, expect, it, vi } from 'vitest'
import { analyze } from '#mesh/analysis/analyze.ts'
import { parseDocuments } from '#mesh/parse-documents.ts'

const known = {
  domainSuffix: 'cluster.local',
  hasHost: (host: string, namespace: string) => host === 'known.shop.svc.cluster.local' && namespace === 'shop',
}

const parseYaml = (...documents: string[]) => {
  const parsed = parseDocuments(documents.join('\n---\n'), {
    defaultNamespace: 'shop',
    maxCharacters: 100_000,
    maxObjects: 100,
  })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error))
  return parsed.value.objects.map(({ object }) => object)
}
const analyzeYaml = (...documents: string[]) => analyze(parseYaml(...documents), known)
/** Problems as "severity code kind namespace/name path". */
const summary = (...documents: string[]) =>
  analyzeYaml(...documents).map(
    ({ severity, code, object, path }) =>
      `${severity} ${code} ${object?.kind} ${object?.namespace}/${object?.name} ${path}`,
  )

const object = (kind: string, name: string, spec: string, namespace = 'shop') =>
  `{apiVersion: ${kind === 'Service' ? 'v1' : 'networking.istio.io/v1'}, kind: ${kind}, metadata: {name: ${name}, namespace: ${namespace}}, spec: ${spec}}`
const service = (name: string, namespace?: string) =>
  object('Service', name, '{ports: [{port: 80}], selector: {app: a}}', namespace)
const virtualService = (name: string, host: string, destination: string, namespace?: string) =>
  object('VirtualService', name, `{hosts: [${host}], http: [{route: [{destination: ${destination}}]}]}`, namespace)
const destinationRule = (name: string, host: string, subsets: string[], namespace?: string) =>
  object(
    'DestinationRule',
    name,
    `{host: "${host}", subsets: [${subsets.map((subset) => `{name: ${subset}}`).join(', ')}]}`,
    namespace,
  )
const serviceEntry = (name: string, host: string, exportTo = '*', namespace?: string) =>
  object(
    'ServiceEntry',
    name,
    `{hosts: ["${host}"], ports: [{number: 80, name: http, protocol: HTTP}], exportTo: ["${exportTo}"]}`,
    namespace,
  )

it('finds nothing wrong with a mesh that is right', () => {
  expect(
    summary(
      service('reviews'),
      virtualService('reviews', 'reviews', '{host: reviews.shop.svc.cluster.local, subset: v1}'),
      destinationRule('reviews', 'reviews', ['v1', 'v2']),
      destinationRule('reviews', 'reviews.shop.svc.cluster.local', ['v1'], 'client'),
      serviceEntry('outside', '*.example.org'),
      serviceEntry('inside', 'a.example.org'),
      virtualService('outside', 'a.example.org', '{host: b.example.org}', 'client'),
    ),
  ).toEqual([])
})

describe('dangling references', () => {
  it('warns of hosts that nothing offers, which may still come', () => {
    expect(
      summary(
        object(
          'VirtualService',
          'a',
          '{hosts: [known], http: [{route: [{destination: {host: known}}, {destination: {host: unknown}, weight: 1}]}], tcp: [{route: [{destination: {host: gone.org}}]}]}',
        ),
      ),
    ).toEqual([
      'warning dangling_reference VirtualService shop/a spec.http[0].route[1].destination.host',
      'warning dangling_reference VirtualService shop/a spec.tcp[0].route[0].destination.host',
    ])
  })
  it('warns of a host that is routed without being there: sidecars have virtual hosts for services only', () => {
    const route = (...hosts: string[]) =>
      object('VirtualService', 'a', `{hosts: [${hosts.join(', ')}], http: [{redirect: {uri: /}}]}`)
    expect(
      summary(serviceEntry('all', '*.example.org'), route('known', 'unknown', 'a.example.org', '"*.net"')),
    ).toEqual(
      ['spec.hosts[1]', 'spec.hosts[2]'].map((path) => `warning dangling_reference VirtualService shop/a ${path}`),
    )
    expect(
      summary(serviceEntry('one', 'a.example.org'), service('unknown'), route('unknown', 'a.example.org')),
    ).toEqual([])
  })
  it('says where it has looked', () => {
    const parsed = parseYaml(virtualService('a', 'a', '{host: b}'))
    const nowhere = { domainSuffix: 'cluster.local', hasHost: () => false }
    expect(analyze(parsed, nowhere)[0]?.message).toMatch(/^no cluster offers a\./)
    expect(analyze(parsed, { ...nowhere, lookedIn: 'objects' })[0]?.message).toMatch(/^no Service or ServiceEntry here/)
  })
  it('asks for a host from the namespace of the object that names it', () => {
    const fullName = 'known.shop.svc.cluster.local'
    expect(summary(virtualService('a', fullName, `{host: ${fullName}}`, 'other'))).toHaveLength(1)
  })
  it('refuses subsets that no DestinationRule of the host has', () => {
    const [problem] = analyzeYaml(
      virtualService('a', 'known', '{host: known, subset: v3}'),
      destinationRule('known', 'known', ['v1']),
      destinationRule('other', 'other', ['v3']),
    )
    expect(problem).toEqual({
      code: 'dangling_reference',
      severity: 'error',
      object: { kind: 'VirtualService', namespace: 'shop', name: 'a' },
      path: 'spec.http[0].route[0].destination.subset',
      message: 'no DestinationRule for known.shop.svc.cluster.local has a subset "v3"',
    })
  })
  it('only warns of a subset while nothing is known of its host', () => {
    const route = virtualService('a', 'known', '{host: unknown, subset: v1}')
    const severities = (...documents: string[]) =>
      analyzeYaml(...documents).map(({ severity, path }) => `${severity} ${path.split('.').at(-1)}`)
    expect(severities(route)).toEqual(['warning host', 'warning subset'])
    expect(severities(route, destinationRule('unknown', 'unknown', ['v2']))).toEqual([
      'warning host',
      'error subset',
      'warning host',
    ])
  })
  it('finds subsets in rules for wildcards', () => {
    expect(
      summary(
        virtualService('a', 'known', '{host: known, subset: v3}'),
        destinationRule('all', '*.shop.svc.cluster.local', ['v3']),
      ),
    ).toEqual([])
  })
})

describe('conflicts', () => {
  it('warns both VirtualServices of one host, however they write it', () => {
    const objects = [
      virtualService('a', 'known', '{host: known}'),
      virtualService('b', 'known.shop.svc.cluster.local', '{host: known}'),
    ]
    expect(summary(...objects)).toEqual([
      'warning conflict VirtualService shop/a spec.hosts[0]',
      'warning conflict VirtualService shop/b spec.hosts[0]',
    ])
    expect(analyzeYaml(...objects)[0]?.message).toBe(
      'VirtualService shop/b is for known.shop.svc.cluster.local too: the older one, or of one age the first by name, holds',
    )
  })
  it('lets VirtualServices be that no client sees both of', () => {
    const privately = (name: string, namespace: string) =>
      object('VirtualService', name, '{hosts: [a.org], exportTo: [.], http: [{redirect: {uri: /}}]}', namespace)
    const there = serviceEntry('a', 'a.org')
    expect(summary(there, privately('a', 'one'), privately('a', 'two'))).toEqual([])
    expect(
      summary(
        there,
        privately('a', 'one'),
        object('VirtualService', 'b', '{hosts: [a.org], exportTo: [one], http: [{redirect: {uri: /}}]}', 'two'),
      ),
    ).toHaveLength(2)
  })
  it('warns DestinationRules of one host in one namespace, and of subsets that both have', () => {
    expect(summary(destinationRule('a', 'known', ['v1', 'v2']), destinationRule('b', 'known', ['v2']))).toEqual([
      'warning conflict DestinationRule shop/a spec.host',
      'warning conflict DestinationRule shop/b spec.host',
      'warning conflict DestinationRule shop/a spec.subsets[1].name',
      'warning conflict DestinationRule shop/b spec.subsets[0].name',
    ])
  })
  it('warns a Service and a ServiceEntry of one host, and ServiceEntries that clients see both of', () => {
    expect(summary(service('known'), serviceEntry('known', 'known.shop.svc.cluster.local'))).toEqual([
      'warning conflict Service shop/known metadata.name',
      'warning conflict ServiceEntry shop/known spec.hosts[0]',
    ])
    expect(summary(serviceEntry('a', 'a.org', '.', 'one'), serviceEntry('a', 'a.org', '.', 'two'))).toEqual([])
    expect(summary(serviceEntry('a', 'a.org', '*', 'one'), serviceEntry('a', 'A.org', '.', 'two'))).toHaveLength(2)
    for (const other of ['*', '~'])
      expect(summary(serviceEntry('a', 'a.org', other, 'one'), serviceEntry('a', 'a.org', '~', 'two'))).toEqual([])
  })
  it('names another object for each, whichever came first', () => {
    const rule = (name: string, exportTo: string) =>
      object(
        'ServiceEntry',
        name,
        `{hosts: [a.org], ports: [{number: 80, name: http, protocol: HTTP}], exportTo: ${exportTo}}`,
      )
    const told = analyzeYaml(rule('a', '[one]'), rule('b', '[two]'), rule('c', '[one, two]'), rule('d', '[three]'))
    expect(told.map(({ object: of, message }) => `${of?.name}: ${message}`)).toEqual([
      'a: ServiceEntry shop/c is for a.org too: they are one, as the older one, or of one age the first by name, says it, with the ports of both',
      'b: ServiceEntry shop/c is for a.org too: they are one, as the older one, or of one age the first by name, says it, with the ports of both',
      'c: ServiceEntry shop/a is for a.org too: they are one, as the older one, or of one age the first by name, says it, with the ports of both',
    ])
  })
  it('costs no more than in proportion where one host is in many namespaces', () => {
    const comparisons = (count: number) => {
      const objects = parseYaml(
        ...Array.from({ length: count }, (_, index) => serviceEntry('a', 'a.org', '.', `ns-${index}`)),
      )
      const includes = vi.spyOn(Array.prototype, 'includes')
      expect(analyze(objects, known)).toEqual([])
      const { length } = includes.mock.calls
      includes.mockRestore()
      return length
    }
    comparisons(1)
    expect(comparisons(80)).toBeLessThan(3 * comparisons(40))
  })
  it('refuses a ServiceEntry a host that is another namespace’s by name', () => {
    expect(analyzeYaml(serviceEntry('a', 'pay.bank.svc.cluster.local'))[0]?.message).toBe(
      'pay.bank.svc.cluster.local is a name of the namespace bank: only a ServiceEntry in bank may have it: apply it there ("-n bank"), or give a Service there its ports',
    )
    expect(
      summary(
        serviceEntry('a', 'pay.bank.svc.cluster.local'),
        serviceEntry('b', 'pay.shop.svc.cluster.local'),
        serviceEntry('c', '*.local'),
      ),
    ).toEqual(['error conflict ServiceEntry shop/a spec.hosts[0]', 'error conflict ServiceEntry shop/c spec.hosts[0]'])
  })
  it('warns Sidecars that are both for a whole namespace', () => {
    const sidecar = (name: string, spec: string, namespace?: string) =>
      object('Sidecar', name, `{egress: [{hosts: ["./*"]}], ${spec}}`, namespace)
    expect(
      summary(
        sidecar('a', ''),
        sidecar('b', 'workloadSelector: {}'),
        sidecar('c', 'workloadSelector: {labels: {a: b}}'),
        sidecar('d', '', 'other'),
      ),
    ).toEqual([
      'warning conflict Sidecar shop/a spec.workloadSelector',
      'warning conflict Sidecar shop/b spec.workloadSelector',
    ])
  })
})

describe('delegation', () => {
  const root = (delegate: string, match = '{port: 80}') =>
    object('VirtualService', 'root', `{hosts: [known], http: [{match: [${match}], delegate: ${delegate}}]}`)
  const leaf = (spec = '') =>
    object(
      'VirtualService',
      'leaf',
      `{${spec} http: [{match: [{port: 80}], route: [{destination: {host: known.shop.svc.cluster.local}}]}]}`,
      'client',
    )
  const place = 'VirtualService shop/root spec.http[0].delegate'
  const dangling = [`warning dangling_reference ${place}`]
  it.each<[string, string[], string[]]>([
    ['to what is there', [root('{name: leaf, namespace: client}'), leaf()], []],
    ['to what is not', [root('{name: leaf}'), leaf()], dangling],
    ['to one with hosts', [root('{name: leaf, namespace: client}'), leaf('hosts: [a.known.org],')], dangling],
    ['to one that is not exported', [root('{name: leaf, namespace: client}'), leaf("exportTo: ['.'],")], dangling],
    [
      'of what the other does not take',
      [root('{name: leaf, namespace: client}', '{port: 81}'), leaf()],
      [`warning conflict ${place}`],
    ],
  ])('%s', (_, documents, expected) =>
    expect(summary(...documents).filter((line) => line.includes('root'))).toEqual(expected),
  )
})

it('finds mirrors that lead nowhere', () => {
  const mirrors =
    '{hosts: [known], http: [{route: [{destination: {host: known}}], mirrors: [{destination: {host: absent}}]}, {route: [{destination: {host: known}}], mirror: {host: known, subset: v1}}]}'
  expect(summary(object('VirtualService', 'a', mirrors))).toEqual(
    expect.arrayContaining([
      'warning dangling_reference VirtualService shop/a spec.http[0].mirrors[0].destination.host',
      'error dangling_reference VirtualService shop/a spec.http[1].mirror.subset',
    ]),
  )
})

describe('destinations that are not exported to the clients of a route', () => {
  const entry = (exportTo: string, namespace = 'other') =>
    object(
      'ServiceEntry',
      'b',
      `{hosts: [b.org], exportTo: ['${exportTo}'], ports: [{number: 80, name: http, protocol: HTTP}]}`,
      namespace,
    )
  const route = (fields = '') =>
    object('VirtualService', 'a', `{hosts: [known], http: [{route: [{destination: {host: b.org}}]}]${fields}}`)
  const warning = ['warning dangling_reference VirtualService shop/a spec.http[0].route[0].destination.host']

  it.each([
    ['of another namespace, that keep to it', entry('.'), route(), warning],
    ['of another namespace, for all', entry('*'), route(), []],
    ['for the namespace of the route', entry('shop'), route(), []],
    ['of the same namespace', entry('.', 'shop'), route(), []],
    ['where the route is for clients who see it', entry('.'), route(', exportTo: [other]'), []],
    ['where the route is for clients who do not', entry('.', 'shop'), route(', exportTo: [third]'), warning],
    ['of gateways, which may be anywhere', entry('.'), route(', gateways: [front]'), []],
  ])('%s', (_, defined, routed, expected) => {
    const front = object(
      'Gateway',
      'front',
      '{selector: {app: a}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}',
    )
    expect(summary(front, defined, routed)).toEqual(expected)
  })
})

describe('gateways', () => {
  const gateway = (name: string, servers: string, selector = 'app: a') =>
    object('Gateway', name, `{selector: {${selector}}, servers: [${servers}]}`)
  const http = (hosts: string, number = 80, protocol = 'HTTP') =>
    `{port: {number: ${number}, name: http, protocol: ${protocol}}, hosts: [${hosts}]}`
  const bound = (gateways: string, hosts: string) =>
    object('VirtualService', 'a', `{hosts: [${hosts}], gateways: [${gateways}], http: [{redirect: {uri: /}}]}`)

  it('warns of a Gateway that is not there', () => {
    expect(summary(gateway('front', http('"*"')), bound('front, shop/front, mesh', 'known'))).toEqual([])
    expect(summary(gateway('front', http('"*"')), bound('other/front, front', 'known'))).toEqual([
      'warning dangling_reference VirtualService shop/a spec.gateways[0]',
    ])
  })
  it('warns of hosts that no server has', () => {
    const front = gateway('front', http('a.org, "*.b.org", other/c.org, ./d.org'))
    expect(summary(front, bound('front', 'a.org, x.b.org, c.org, d.org, e.org'))).toEqual([
      'warning dangling_reference VirtualService shop/a spec.hosts[2]',
      'warning dangling_reference VirtualService shop/a spec.hosts[4]',
    ])
  })
  it('warns of servers that can not share a port', () => {
    expect(summary(gateway('a', http('a.org')), gateway('b', http('b.org', 80, 'HTTP2')))).toEqual([])
    expect(summary(gateway('a', http('a.org')), gateway('b', http('b.org', 80, 'TCP'), 'app: b'))).toEqual([])
    expect(summary(gateway('a', http('a.org')), gateway('b', http('b.org', 80, 'TCP')))).toEqual([
      'warning conflict Gateway shop/a spec.servers[0].port',
      'warning conflict Gateway shop/b spec.servers[0].port',
    ])
  })
  it('says of servers of one Gateway that can not share a port which one holds', () => {
    const one = gateway('a', `${http('a.org')}, ${http('b.org', 80, 'TCP').replace('name: http', 'name: tcp')}`)
    expect(analyzeYaml(one).map(({ path, message }) => `${path}: ${message}`)).toEqual([
      'spec.servers[0].port: spec.servers[1] has TCP on port 80 too: this server, which is the first, holds',
      'spec.servers[1].port: spec.servers[0] has HTTP on port 80 too: that server, which is the first, holds',
    ])
  })
  it('warns of servers of two Gateways for one host, and with one certificate', () => {
    const https = (host: string, credential: string) =>
      `{port: {number: 443, name: of-${host}, protocol: HTTPS}, hosts: [${host}], tls: {mode: SIMPLE, credentialName: ${credential}}}`
    const conflicts = (path: string) =>
      ['a', 'b'].map((name) => `warning conflict Gateway shop/${name} spec.servers[0].${path}`)
    expect(summary(gateway('a', http('x.org, a.org')), gateway('b', http('a.org')))).toEqual(conflicts('hosts'))
    expect(summary(gateway('a', http('a.org')), gateway('b', http('a.org', 81)))).toEqual([])
    expect(summary(gateway('a', http('a.org')), gateway('b', http('a.org'), 'app: b'))).toEqual([])
    expect(summary(gateway('a', http('one/a.org')), gateway('b', http('two/a.org')))).toEqual([])
    const narrower = (selector: string) => summary(gateway('a', http('a.org')), gateway('b', http('a.org'), selector))
    expect(narrower('app: a, type: internal')).toEqual(conflicts('hosts'))
    expect(narrower('app: a, topology.istio.io/cluster: east')).toEqual(conflicts('hosts'))
    expect(narrower('')).toEqual(conflicts('hosts'))
    expect(narrower('app: b, type: internal')).toEqual([])
    expect(summary(gateway('a', https('a.org', 'x')), gateway('b', https('a.org', 'y')))).toEqual(conflicts('hosts'))
    expect(summary(gateway('a', https('a.org', 'x')), gateway('b', https('b.org', 'x')))).toEqual(conflicts('tls'))
    expect(summary(gateway('a', `${https('a.org', 'x')}, ${https('b.org', 'x')}`))).toEqual([])
  })
  it('warns of a DestinationRule for another name of a service', () => {
    const alias = (name: string, externalName: string) =>
      object('Service', name, `{type: ExternalName, externalName: ${externalName}}`)
    const warning = 'warning ineffective DestinationRule shop/r spec.host'
    const rule = destinationRule('r', 'same', [])
    expect(summary(alias('same', 'real.shop.svc.cluster.local'), rule)).toEqual([warning])
    expect(summary(alias('same', 'outside.example'), rule)).toEqual([])
    expect(summary(service('same'), rule)).toEqual([])
    const offered = {
      domainSuffix: 'cluster.local',
      hasHost: () => true,
      aliasOf: (host: string) => (host === 'same.shop.svc.cluster.local' ? 'real.shop.svc.cluster.local' : undefined),
    }
    expect(analyze(parseYaml(rule), offered)).toMatchObject([{ code: 'ineffective', path: 'spec.host' }])
    expect(analyze(parseYaml(destinationRule('r', 'real', [])), offered)).toEqual([])
  })
  it("warns of routes that pass by the subsets of a service's own VirtualService", () => {
    const own = virtualService('own', 'known', '{host: known, subset: v1}')
    const front = (destination: string, gateways: string) =>
      object(
        'VirtualService',
        'front',
        `{hosts: [a.org], gateways: [${gateways}], http: [{route: [{destination: ${destination}}]}]}`,
      )
    const others = [
      gateway('front', http('a.org')),
      own,
      destinationRule('known', 'known', ['v1']),
      serviceEntry('a', 'a.org'),
    ]
    expect(summary(front('{host: known.shop.svc.cluster.local}', 'front'), ...others)).toEqual([
      'warning ineffective VirtualService shop/front spec.http[0].route[0].destination',
    ])
    expect(summary(front('{host: known, subset: v1}', 'front'), ...others)).toEqual([])
    expect(summary(front('{host: known}', 'front, mesh'), ...others)).toEqual([])
  })
})
