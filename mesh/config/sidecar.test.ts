import { describe, expect, it } from 'vitest'
import { pathsOfProblems } from '#test/kinds/problems-of-spec.ts'

const paths = (spec: object) => pathsOfProblems('Sidecar', spec)
const port = { number: 9080, protocol: 'HTTP', name: 'http' }
const hosts = ['*/*']

it('accepts all that it says it supports', () => {
  const everything = {
    workloadSelector: { labels: { app: 'a' } },
    ingress: [
      { port, bind: '::', captureMode: 'NONE', defaultEndpoint: '127.0.0.1:8080' },
      { port: { number: 9081 }, defaultEndpoint: 'unix:///a' },
      { port: { number: 9082 }, defaultEndpoint: '[::1]:1' },
      { port: { number: 9083 }, defaultEndpoint: ':1' },
    ],
    egress: [
      { port, bind: '127.0.0.2', hosts: ['./*', 'prod/*.example.org'], captureMode: 'NONE' },
      { port: { protocol: 'HTTP' }, bind: 'unix:///a', hosts },
      { hosts: ['~/*', '*/a.org', '~prod/b.org'] },
    ],
    outboundTrafficPolicy: { mode: 'ALLOW_ANY' },
  }
  expect(paths(everything)).toEqual([])
  expect(paths({ outboundTrafficPolicy: {} })).toEqual([])
})

it('says something', () => {
  expect(paths({})).toEqual(['invalid spec'])
  expect(paths({ inboundConnectionPool: { tcp: { maxConnections: 1 } } })).toEqual([])
})

it('warns when it is for all workloads, perhaps by mistake', () => {
  expect(paths({ workloadSelector: {}, egress: [{ hosts }] })).toEqual(['warning spec.workloadSelector'])
})

describe('ingress', () => {
  it.each<[string, object, string[]]>([
    ['without a port', {}, ['invalid port']],
    ['without a port number', { port: { protocol: 'HTTP' } }, ['invalid port.number']],
    ['with a target port', { port: { ...port, targetPort: 1 } }, ['warning port.targetPort']],
    ['bound to a name', { port, bind: 'localhost' }, ['invalid bind']],
    ['to another machine', { port, defaultEndpoint: '10.0.0.1:1' }, ['invalid defaultEndpoint']],
    ['to no port', { port, defaultEndpoint: '127.0.0.1' }, ['invalid defaultEndpoint']],
    ['to port 0', { port, defaultEndpoint: '127.0.0.1:0' }, ['invalid defaultEndpoint']],
    ['to a socket that is none', { port, defaultEndpoint: 'unix://a' }, ['invalid defaultEndpoint']],
    ['with captured traffic', { port, captureMode: 'IPTABLES' }, []],
    ['with a pool', { port, connectionPool: { http: { http1MaxPendingRequests: 1 } } }, []],
    ['with an empty pool', { port, connectionPool: {} }, ['invalid connectionPool']],
    [
      'with a pool of HTTP for TCP',
      { port: { number: 1, protocol: 'TCP' }, connectionPool: { http: { maxRetries: 1 } } },
      ['warning connectionPool.http'],
    ],
    ['with certificates of its own', { port, tls: { mode: 'SIMPLE' } }, ['unsupported tls']],
  ])('%s', (_, listener, expected) => {
    expect(paths({ ingress: [listener] }).map((path) => path.replace('spec.ingress[0].', ''))).toEqual(expected)
  })
  it('listens on a port once', () => {
    expect(paths({ ingress: [{ port }, { port, bind: '127.0.0.2' }] })).toEqual(['invalid spec.ingress[1].port.number'])
  })
})

describe('egress', () => {
  it.each<[string, object, string[]]>([
    ['to nothing', { hosts: [] }, ['invalid hosts']],
    ['to a host without a namespace', { hosts: ['a.org'] }, ['invalid hosts[0]']],
    ['to a short name', { hosts: ['./a'] }, ['invalid hosts[0]']],
    ['to a namespace that is none', { hosts: ['a.b/c.org'] }, ['invalid hosts[0]']],
    ['to a partial wildcard', { hosts: ['./*a.org'] }, ['invalid hosts[0]']],
    ['to a host twice', { hosts: ['./a.org', './a.org'] }, ['warning hosts[1]']],
    ['bound without a port', { hosts, bind: '127.0.0.1' }, ['invalid bind']],
    ['bound to a name', { hosts, port, bind: 'localhost' }, ['invalid bind']],
    ['without a number and a socket', { hosts, port: { protocol: 'HTTP' } }, ['invalid port.number']],
    ['with a protocol that is none', { hosts, port: { number: 1, protocol: 'http1' } }, ['invalid port.protocol']],
    ['with a port that is none', { hosts, port: { number: 70_000 } }, ['invalid port.number']],
    [
      'with a captured socket',
      { hosts, port: { protocol: 'TCP' }, bind: 'unix:///a', captureMode: 'IPTABLES' },
      ['invalid captureMode'],
    ],
  ])('%s', (_, listener, expected) => {
    expect(paths({ egress: [listener] }).map((path) => path.replace('spec.egress[0].', ''))).toEqual(expected)
  })
  it('has its catch-all last', () => {
    expect(paths({ egress: [{ hosts }, { hosts, port }] })).toEqual(['invalid spec.egress[0]'])
  })
  it('listens in one place once', () => {
    const socket = { hosts, port: { protocol: 'TCP' }, bind: 'unix:///a' }
    expect(paths({ egress: [{ hosts, port }, socket, { hosts, port }, socket] })).toEqual([
      'invalid spec.egress[2].port.number',
      'invalid spec.egress[3].bind',
    ])
  })
})

it.each<[string, object, string[]]>([
  ['an egress proxy', { mode: 'ALLOW_ANY', egressProxy: { host: 'a.org', subset: 'v1', port: { number: 80 } } }, []],
  ['one without a port', { mode: 'ALLOW_ANY', egressProxy: { host: 'a.org' } }, ['invalid egressProxy.port']],
  ['one without use', { egressProxy: { host: 'a.org', port: { number: 80 } } }, ['invalid egressProxy']],
  [
    'one that is no host',
    { mode: 'ALLOW_ANY', egressProxy: { host: '*.a.org', port: { number: 80 } } },
    ['invalid egressProxy.host'],
  ],
])('may name %s', (_, policy, expected) => {
  const prefix = 'spec.outboundTrafficPolicy.'
  expect(paths({ outboundTrafficPolicy: policy }).map((path) => path.replace(prefix, ''))).toEqual(expected)
})

it('does not know modes of another place', () => {
  expect(paths({ outboundTrafficPolicy: { mode: 3 } })).toEqual(['invalid spec.outboundTrafficPolicy.mode'])
})
