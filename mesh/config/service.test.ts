import { expect, it } from 'vitest'
import { pathsOfProblems } from '#test/kinds/problems-of-spec.ts'

const http = { name: 'http', port: 80 }
const paths = (spec: object, metadata: object = {}) =>
  pathsOfProblems('Service', { ports: [http], selector: { app: 'a' }, ...spec }, metadata, 'v1')

it('accepts what kubectl prints', () => {
  const printed = {
    clusterIP: '10.96.0.1',
    clusterIPs: ['10.96.0.1'],
    internalTrafficPolicy: 'Cluster',
    ipFamilies: ['IPv4'],
    ipFamilyPolicy: 'SingleStack',
    ports: [
      {
        name: 'http',
        port: 80,
        protocol: 'TCP',
        targetPort: 'web',
        nodePort: 30_000,
        appProtocol: 'kubernetes.io/h2c',
      },
      { name: 'grpc', port: 81, targetPort: 9090 },
    ],
    sessionAffinity: 'None',
    type: 'NodePort',
  }
  expect(paths(printed, { uid: 'a', managedFields: [], resourceVersion: '1' })).toEqual([])
})

it.each<[string, object, object, string[]]>([
  ['a port twice', { ports: [http, { ...http, name: 'b' }] }, {}, ['invalid spec.ports[1].port']],
  ['a port name twice', { ports: [http, { ...http, port: 81 }] }, {}, ['invalid spec.ports[1].name']],
  [
    'several ports without names',
    { ports: [{ port: 80 }, { port: 81 }] },
    {},
    ['invalid spec.ports[0].name', 'invalid spec.ports[1].name'],
  ],
  ['a target that is none', { ports: [{ ...http, targetPort: 'A' }] }, {}, ['invalid spec.ports[0].targetPort']],
  ['UDP', { ports: [{ ...http, protocol: 'UDP' }] }, {}, ['warning spec.ports[0]']],
  [
    'one number for TCP and UDP',
    { ports: [http, { name: 'dns', port: 80, protocol: 'UDP' }] },
    {},
    ['warning spec.ports[1]'],
  ],
  ['a protocol that is none', { ports: [{ ...http, protocol: 'ICMP' }] }, {}, ['invalid spec.ports[0].protocol']],
  ['an alias', { type: 'ExternalName', externalName: 'A.org.', ports: [], selector: null }, {}, []],
  ['an alias of nothing', { type: 'ExternalName' }, {}, ['invalid spec.externalName']],
  ['an alias of what is no host', { type: 'ExternalName', externalName: 'a_b' }, {}, ['invalid spec.externalName']],
  [
    'an alias with an address',
    { type: 'ExternalName', externalName: 'a.org', clusterIP: '10.0.0.1' },
    {},
    ['invalid spec.clusterIP'],
  ],
  [
    'clients that stick to an endpoint',
    { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 1 } } },
    {},
    ['warning spec.sessionAffinity'],
  ],
  ['near endpoints before others', { trafficDistribution: 'PreferClose' }, {}, []],
  ['another preference', { trafficDistribution: 'PreferFar' }, {}, ['invalid spec.trafficDistribution']],
  ['endpoints that are not ready', { publishNotReadyAddresses: true }, {}, []],
  ['endpoints of one node', { internalTrafficPolicy: 'Local' }, {}, []],
  ['an address that is none', { clusterIP: 'a' }, {}, ['invalid spec.clusterIP']],
  ['no address', { clusterIP: 'None' }, {}, []],
  ['a field that is none', { port: 80 }, {}, ['unknown_field spec.port']],
  ['no ports', { ports: [] }, {}, ['warning spec.ports']],
  ['no selector', { selector: null }, {}, ['warning spec.selector']],
  ['a name with a dot', {}, { name: 'a.b' }, ['invalid metadata.name']],
  ['an export to nowhere', {}, { annotations: { 'networking.istio.io/exportTo': '~' } }, []],
  ['exports to several', {}, { annotations: { 'networking.istio.io/exportTo': '., a' } }, []],
  [
    'an export to what is no namespace',
    {},
    { annotations: { 'networking.istio.io/exportTo': 'a b' } },
    ['invalid metadata.annotations["networking.istio.io/exportTo"]'],
  ],
])('%s', (_, spec, metadata, expected) => {
  expect(paths(spec, metadata)).toEqual(expected)
})
