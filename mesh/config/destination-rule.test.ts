import { describe, expect, it } from 'vitest'
import { pathsOfProblems } from '#test/kinds/problems-of-spec.ts'

const paths = (spec: object) => pathsOfProblems('DestinationRule', { host: 'reviews', ...spec })
const inPolicy = (trafficPolicy: object) =>
  paths({ trafficPolicy }).map((path) => path.replace('spec.trafficPolicy.', ''))

it('accepts all that it says it supports', () => {
  const policy = {
    loadBalancer: {
      consistentHash: { httpCookie: { name: 'user', path: '/', ttl: '0s' }, maglev: { tableSize: 65_537 } },
    },
    connectionPool: {
      tcp: {
        maxConnections: 0,
        connectTimeout: '10s',
        tcpKeepalive: { probes: 3, time: '2h', interval: '75s' },
        maxConnectionDuration: '1h',
        idleTimeout: '0s',
      },
      http: {
        http1MaxPendingRequests: 1,
        http2MaxRequests: 2,
        maxRequestsPerConnection: 3,
        maxRetries: 4,
        idleTimeout: '1m',
        h2UpgradePolicy: 'UPGRADE',
      },
    },
    outlierDetection: {
      consecutiveGatewayErrors: 0,
      consecutive5xxErrors: 7,
      splitExternalLocalOriginErrors: true,
      consecutiveLocalOriginFailures: 2,
      interval: '5m',
      baseEjectionTime: '15m',
      maxEjectionPercent: 100,
      minHealthPercent: 0,
    },
    tls: {
      mode: 'MUTUAL',
      clientCertificate: '/c.pem',
      privateKey: '/k.pem',
      caCertificates: '/ca.pem',
      sni: 'a',
      subjectAltNames: ['b'],
    },
  }
  const everything = {
    host: '*.example.org',
    exportTo: ['*'],
    subsets: [{ name: 'v1', labels: { version: 'v1', 'a.org/b': '' }, trafficPolicy: policy }, { name: 'all' }],
    trafficPolicy: {
      ...policy,
      portLevelSettings: [
        { port: { number: 80 }, ...policy },
        { port: { number: 81 }, tls: {} },
      ],
    },
  }
  expect(paths(everything)).toEqual([])
})

describe('subsets', () => {
  it.each<[string, object[], string[]]>([
    ['without a name', [{ labels: {} }], ['invalid spec.subsets[0].name']],
    ['of one name', [{ name: 'a' }, { name: 'a' }], ['invalid spec.subsets[1].name']],
    ['with a name that is no label', [{ name: 'a.b' }], ['invalid spec.subsets[0].name']],
    [
      'with a label value that is none',
      [{ name: 'a', labels: { version: 'v 1' } }],
      ['invalid spec.subsets[0].labels.version'],
    ],
    [
      'with a label key that is none',
      [{ name: 'a', labels: { '-a': 'v1' } }],
      ['invalid spec.subsets[0].labels["-a"]'],
    ],
    ['with an empty policy', [{ name: 'a', trafficPolicy: {} }], ['invalid spec.subsets[0].trafficPolicy']],
  ])('%s', (_, subsets, expected) => {
    expect(paths({ subsets })).toEqual(expected)
  })
})

describe('the traffic policy', () => {
  it.each<[string, object, string[]]>([
    ['says something', {}, ['invalid spec.trafficPolicy']],
    [
      'balances in one way',
      { loadBalancer: { simple: 'RANDOM', consistentHash: { useSourceIp: true } } },
      ['invalid loadBalancer'],
    ],
    ['knows its algorithms', { loadBalancer: { simple: 'ROUND_ROBBIN' } }, ['invalid loadBalancer.simple']],
    [
      'hashes one thing',
      { loadBalancer: { consistentHash: { useSourceIp: true, httpHeaderName: 'a' } } },
      ['invalid loadBalancer.consistentHash'],
    ],
    ['hashes something', { loadBalancer: { consistentHash: {} } }, ['invalid loadBalancer.consistentHash']],
    [
      'hashes in one way',
      { loadBalancer: { consistentHash: { useSourceIp: true, ringHash: {}, maglev: { tableSize: 3 } } } },
      ['invalid loadBalancer.consistentHash'],
    ],
    [
      'has tables of prime size',
      { loadBalancer: { consistentHash: { useSourceIp: true, maglev: { tableSize: 65_536 } } } },
      ['invalid loadBalancer.consistentHash.maglev.tableSize'],
    ],
    [
      'has tables of some size',
      { loadBalancer: { consistentHash: { useSourceIp: true, maglev: {} } } },
      ['invalid loadBalancer.consistentHash.maglev.tableSize'],
    ],
    [
      'has tables of a size that Envoy takes',
      { loadBalancer: { consistentHash: { useSourceIp: true, maglev: { tableSize: 5_000_011 } } } },
      ['invalid loadBalancer.consistentHash.maglev.tableSize'],
    ],
    [
      'names its cookie',
      { loadBalancer: { consistentHash: { httpCookie: {} } } },
      ['invalid loadBalancer.consistentHash.httpCookie.name'],
    ],
    ['limits something', { connectionPool: {} }, ['invalid connectionPool']],
    [
      'has no negative limits',
      { connectionPool: { http: { maxRetries: -1 } } },
      ['invalid connectionPool.http.maxRetries'],
    ],
    [
      'has limits in whole numbers',
      { connectionPool: { tcp: { maxConnections: 1.5 } } },
      ['invalid connectionPool.tcp.maxConnections'],
    ],
    [
      'connects within some time',
      { connectionPool: { tcp: { connectTimeout: '0s' } } },
      ['invalid connectionPool.tcp.connectTimeout'],
    ],
    [
      'does not follow the client',
      { connectionPool: { http: { useClientProtocol: true } } },
      ['unsupported connectionPool.http.useClientProtocol'],
    ],
    ['may say that it does not', { connectionPool: { http: { useClientProtocol: false } } }, []],
    [
      'counts local failures apart',
      { outlierDetection: { consecutiveLocalOriginFailures: 1 } },
      ['invalid outlierDetection.consecutiveLocalOriginFailures'],
    ],
    [
      'has percentages',
      { outlierDetection: { maxEjectionPercent: 101 } },
      ['invalid outlierDetection.maxEjectionPercent'],
    ],
    [
      'refuses what upstream gave up',
      { outlierDetection: { consecutiveErrors: 1 } },
      ['unsupported outlierDetection.consecutiveErrors'],
    ],
    [
      'needs files for MUTUAL',
      { tls: { mode: 'MUTUAL' } },
      ['invalid tls.clientCertificate', 'invalid tls.privateKey'],
    ],
    ['takes no credentials yet', { tls: { mode: 'MUTUAL', credentialName: 'a' } }, ['unsupported tls.credentialName']],
    ['always verifies', { tls: { mode: 'SIMPLE', insecureSkipVerify: true } }, ['unsupported tls.insecureSkipVerify']],
    [
      'knows a port once',
      {
        portLevelSettings: [
          { port: { number: 1 }, tls: {} },
          { port: { number: 1 }, tls: {} },
        ],
      },
      ['invalid portLevelSettings[1].port.number'],
    ],
    ['says something of a port', { portLevelSettings: [{ port: { number: 1 } }] }, ['invalid portLevelSettings[0]']],
    ['names the port', { portLevelSettings: [{ tls: {} }] }, ['invalid portLevelSettings[0].port']],
    ['has no tunnels', { tunnel: { targetHost: 'a', targetPort: 1 } }, ['unsupported tunnel']],
  ])('%s', (_, policy, expected) => {
    expect(inPolicy(policy)).toEqual(expected)
  })
})

describe('load balancing by locality', () => {
  const share = (from: string, to: object) => ({ from, to })
  it.each<[string, object, string[]]>([
    ['may say nothing', {}, []],
    ['may be switched off', { enabled: false }, []],
    ['has shares', { distribute: [share('eu/a/*', { 'eu/a/*': 80, us: 20 }), share('eu/*', { '*': 100 })] }, []],
    ['has shares of 100', { distribute: [share('eu', { eu: 80, us: 19 })] }, ['distribute[0].to']],
    ['has shares', { distribute: [{ from: 'eu' }] }, ['distribute[0].to']],
    ['has no empty shares', { distribute: [share('eu', { eu: 100, us: 0 })] }, ['distribute[0].to.us']],
    [
      'has whole shares',
      { distribute: [share('eu', { eu: 99.5, us: 0.5 })] },
      ['distribute[0].to.eu', 'distribute[0].to.us'],
    ],
    ['names the client', { distribute: [{ to: { eu: 100 } }] }, ['distribute[0].from']],
    ['has no empty zone', { distribute: [share('eu//1', { eu: 100 })] }, ['distribute[0].from']],
    ['has one wildcard', { distribute: [share('*/*', { eu: 100 })] }, ['distribute[0].from']],
    ['has a wildcard at the end', { distribute: [share('eu', { '*/a': 100 })] }, ['distribute[0].to["*/a"]']],
    [
      'tells clients apart',
      { distribute: [share('eu', { eu: 100 }), share('eu/a', { eu: 100 })] },
      ['distribute[1].from'],
    ],
    [
      'has nothing behind all',
      { distribute: [share('*', { eu: 100 }), share('eu', { eu: 100 })] },
      ['distribute[1].from'],
    ],
    [
      'tells targets apart',
      { distribute: [share('eu', { 'us/a': 50, 'us/a/1': 50 })] },
      ['distribute[0].to["us/a/1"]'],
    ],
    [
      'fails over',
      { failover: [{ from: 'eu', to: 'us' }], failoverPriority: ['team', 'topology.istio.io/network'] },
      [],
    ],
    ['fails over elsewhere', { failover: [{ from: 'eu', to: 'eu' }] }, ['failover[0]']],
    ['fails over between regions', { failover: [{ from: 'eu/a', to: 'us*' }] }, ['failover[0].from', 'failover[0].to']],
    [
      'distributes or fails over',
      { distribute: [share('eu', { eu: 100 })], failover: [{ from: 'eu', to: 'us' }] },
      [''],
    ],
    [
      'names regions in one way',
      { failover: [{ from: 'eu', to: 'us' }], failoverPriority: ['team', 'topology.kubernetes.io/region'] },
      ['failoverPriority[1]'],
    ],
  ])('%s: %j', (_, localityLbSetting, expected) => {
    const prefix = 'invalid loadBalancer.localityLbSetting'
    expect(inPolicy({ loadBalancer: { localityLbSetting } })).toEqual(
      expected.map((path) => (path === '' ? prefix : `${prefix}.${path}`)),
    )
  })

  it('can not follow the zones of the own service', () => {
    expect(inPolicy({ loadBalancer: { zoneAwareLbSetting: {} } })).toEqual([
      'unsupported loadBalancer.zoneAwareLbSetting',
    ])
  })
})

it('holds for all clients', () => {
  expect(paths({ workloadSelector: { matchLabels: { a: 'b' } } })).toEqual(['unsupported spec.workloadSelector'])
})

it('needs a host', () => {
  expect(paths({ host: undefined })).toEqual(['invalid spec.host'])
  expect(paths({ host: '' })).toEqual(['invalid spec.host'])
})
