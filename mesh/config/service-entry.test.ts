import { expect, it } from 'vitest'
import { pathsOfProblems } from '#test/kinds/problems-of-spec.ts'

const http = { number: 80, name: 'http', protocol: 'HTTP' }
const tcp = { number: 3306, name: 'mysql', protocol: 'MySQL' }
const paths = (spec: object) => pathsOfProblems('ServiceEntry', { hosts: ['a.org'], ports: [http], ...spec })

it('accepts all that it says it supports', () => {
  const endpoint = {
    ports: { http: 8080 },
    labels: { a: 'b' },
    network: 'west',
    locality: 'eu/1',
    weight: 0,
    serviceAccount: 'sa',
  }
  const everything = {
    hosts: ['a.org', '*.b.org'],
    addresses: ['10.0.0.1', '2001:db8::/32'],
    ports: [
      { ...http, targetPort: 8080 },
      { number: 443, name: 'tls', protocol: 'tls', targetPort: 0 },
    ],
    location: 'MESH_INTERNAL',
    resolution: 'STATIC',
    endpoints: [{ address: '10.0.0.2', ...endpoint }, { address: '2001:db8::1', ...endpoint }, endpoint],
    exportTo: ['~'],
    subjectAltNames: ['spiffe://a/b'],
  }
  expect(paths(everything)).toEqual([])
  expect(paths({ resolution: 'DNS', workloadSelector: { labels: { app: 'a' } } })).toEqual([])
  expect(paths({ resolution: 'STATIC', endpoints: [{ address: 'unix:///a' }] })).toEqual([])
})

it.each<[string, object, string[]]>([
  ['no host', { hosts: [] }, ['invalid spec.hosts']],
  ['the host "*"', { hosts: ['*'] }, ['invalid spec.hosts[0]']],
  ['a host that is none', { hosts: ['a_b.org'] }, ['invalid spec.hosts[0]']],
  ['a partial wildcard', { hosts: ['*a.org'] }, ['warning spec.hosts[0]']],
  ['an address that is none', { addresses: ['10.0.0.0/33'] }, ['invalid spec.addresses[0]']],
  ['CIDR blocks with DNS', { resolution: 'DNS', addresses: ['10.0.0.0/8'] }, ['invalid spec.addresses']],
  ['a port number twice', { ports: [http, { ...http, name: 'b' }] }, ['invalid spec.ports[1].number']],
  ['a port name twice', { ports: [http, { ...http, number: 81 }] }, ['invalid spec.ports[1].name']],
  ['a port without a name', { ports: [{ number: 80 }] }, ['invalid spec.ports[0].name']],
  ['port 0', { ports: [{ ...http, number: 0 }] }, ['invalid spec.ports[0].number']],
  ['an unknown protocol', { ports: [{ ...http, protocol: 'gopher' }] }, ['invalid spec.ports[0].protocol']],
  ['UDP', { ports: [{ ...http, protocol: 'UDP' }] }, ['unsupported spec.ports[0].protocol']],
  ['endpoints that nothing resolves', { endpoints: [{ address: '10.0.0.1' }] }, ['invalid spec.endpoints']],
  [
    'a name with STATIC',
    { resolution: 'STATIC', endpoints: [{ address: 'a.org' }] },
    ['invalid spec.endpoints[0].address'],
  ],
  [
    'a socket with DNS',
    { resolution: 'DNS', endpoints: [{ address: 'unix:///a' }] },
    ['invalid spec.endpoints[0].address'],
  ],
  [
    'a socket for two ports',
    { resolution: 'STATIC', ports: [http, { ...http, name: 'b', number: 81 }], endpoints: [{ address: 'unix:///a' }] },
    ['invalid spec.endpoints[0].address'],
  ],
  [
    'a network to be resolved',
    { resolution: 'DNS', endpoints: [{ network: 'west', serviceAccount: 'sa' }] },
    ['invalid spec.endpoints[0].address'],
  ],
  [
    'a network of what its gateways do not pass on',
    { resolution: 'STATIC', endpoints: [{ network: 'west' }] },
    ['warning spec.endpoints[0].address'],
  ],
  [
    'an endpoint port that the service does not have',
    { resolution: 'STATIC', endpoints: [{ address: '10.0.0.1', ports: { b: 1 } }] },
    ['invalid spec.endpoints[0].ports.b'],
  ],
  [
    'two endpoints to take turns with',
    { resolution: 'DNS_ROUND_ROBIN', endpoints: [{ address: 'a.org' }, { address: 'b.org' }] },
    ['invalid spec.endpoints'],
  ],
  ['a wildcard to resolve', { resolution: 'DNS', hosts: ['a.org', '*.a.org'] }, ['invalid spec.hosts[1]']],
  [
    'endpoints and a selector',
    { resolution: 'STATIC', endpoints: [{ address: '10.0.0.1' }], workloadSelector: { labels: { a: 'b' } } },
    ['invalid spec'],
  ],
  [
    'several hosts on a TCP port',
    { resolution: 'DNS', hosts: ['a.org', 'b.org'], ports: [http, tcp] },
    ['invalid spec.ports[1].protocol'],
  ],
  [
    'several hosts on a TCP port that goes where the client wanted',
    { hosts: ['a.org', 'b.org'], ports: [tcp] },
    ['warning spec.ports[0].protocol'],
  ],
  ['the same with addresses', { hosts: ['a.org', 'b.org'], ports: [tcp], addresses: ['10.0.0.0/8'] }, []],
  [
    'a wildcard in a selector',
    { resolution: 'STATIC', workloadSelector: { labels: { a: '*' } } },
    ['invalid spec.workloadSelector.labels.a'],
  ],
  ['a selector that is not looked at', { workloadSelector: { labels: { a: 'b' } } }, ['warning spec.workloadSelector']],
  ['no endpoints that it is for', { resolution: 'STATIC' }, ['warning spec.endpoints']],
  ['a selector of all', { resolution: 'STATIC', workloadSelector: {} }, ['warning spec.workloadSelector']],
  [
    'a wildcard to resolve for workloads',
    { resolution: 'DNS', hosts: ['*.a.org'], workloadSelector: { labels: { a: 'b' } } },
    ['invalid spec.hosts[0]'],
  ],
  ['hosts that clients name', { resolution: 'DYNAMIC_DNS', hosts: ['*.a.org', '*b.org'] }, []],
  [
    'a host that all clients name',
    { resolution: 'DYNAMIC_DNS', hosts: ['*.a.org', 'b.org'] },
    ['invalid spec.hosts[1]'],
  ],
  [
    'hosts that clients name, and where they are',
    { resolution: 'DYNAMIC_DNS', hosts: ['*.a.org'], addresses: ['10.0.0.1'], endpoints: [{ address: '10.0.0.1' }] },
    ['invalid spec.addresses', 'invalid spec.endpoints'],
  ],
  [
    'hosts that clients name in a way that nobody reads',
    { resolution: 'DYNAMIC_DNS', hosts: ['*.a.org'], ports: [http, { number: 443, name: 'https', protocol: 'HTTPS' }] },
    ['invalid spec.ports[1].protocol'],
  ],
])('%s', (_, spec, expected) => {
  expect(paths(spec)).toEqual(expected)
})

it('has no hosts of the mesh that clients name where a waypoint is', () => {
  const spec = { hosts: ['*.a.org'], ports: [http], resolution: 'DYNAMIC_DNS', location: 'MESH_INTERNAL' }
  const withLabel = (waypoint: string) =>
    pathsOfProblems('ServiceEntry', spec, { labels: { 'istio.io/use-waypoint': waypoint } })
  expect(withLabel('a')).toEqual(['invalid spec.location'])
  expect(withLabel('None')).toEqual([])
})
