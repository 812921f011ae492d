import { describe, expect, it } from 'vitest'
import { pathsOfProblems } from '#test/kinds/problems-of-spec.ts'

const paths = (spec: object) => pathsOfProblems('DestinationRule', { host: 'reviews', ...spec })
const inPolicy = (trafficPolicy: object) =>
  paths({ trafficPolicy }).map((path) => path.replace('spec.trafficPolicy.', ''))

it('accepts all that it says it supports', () => {
  const policy = {
    loadBalancer: {
      consistentHash: {
        httpCookie: {
          name: 'user',
          path: '/',
          ttl: '0s',
          attributes: [{ name: 'SameSite', value: 'Strict' }, { name: 'Secure' }],
        },
        maglev: { tableSize: 65_537 },
        minimumRingSize: 0,
      },
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
        useClientProtocol: false,
        maxConcurrentStreams: 5,
        http2KeepAlive: { interval: '10s', timeout: '2s' },
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
      outlierDetectionHttpErrorCodes: [429, 503],
    },
    tls: {
      mode: 'MUTUAL',
      clientCertificate: '/c.pem',
      privateKey: '/k.pem',
      caCertificates: '/ca.pem',
      sni: 'a',
      caCrl: '/crl.pem',
      subjectAltNames: ['b'],
    },
  }
  const whole = {
    ...policy,
    retryBudget: { percent: 12.5, minRetryConcurrency: 0, budgetInterval: '0s' },
    tunnel: { protocol: 'POST', targetHost: 'target.example', targetPort: 443 },
  }
  const everything = {
    host: '*.example.org',
    exportTo: ['*'],
    subsets: [
      { name: 'v1', labels: { version: 'v1', 'a.org/b': '' }, trafficPolicy: { proxyProtocol: {} } },
      { name: 'all' },
    ],
    trafficPolicy: {
      ...whole,
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
    ['may hash nothing', { loadBalancer: { consistentHash: {} } }, []],
    ['may not hash the address', { loadBalancer: { consistentHash: { useSourceIp: false } } }, []],
    ['may pass connections through', { loadBalancer: { simple: 'PASSTHROUGH' } }, []],
    [
      'has rings of one size',
      { loadBalancer: { consistentHash: { useSourceIp: true, ringHash: {}, minimumRingSize: 1 } } },
      ['invalid loadBalancer.consistentHash'],
    ],
    [
      'warns of an old place',
      { loadBalancer: { consistentHash: { useSourceIp: true, minimumRingSize: 1 } } },
      ['warning loadBalancer.consistentHash.minimumRingSize'],
    ],
    [
      'has each attribute of a cookie once',
      { loadBalancer: { consistentHash: { httpCookie: { name: 'a', attributes: [{ name: 'b' }, { name: 'b' }] } } } },
      ['invalid loadBalancer.consistentHash.httpCookie.attributes[1].name'],
    ],
    ['warms up', { loadBalancer: { warmup: { duration: '30s', minimumPercent: 0, aggression: 0.5 } } }, []],
    ['warms up in the old way', { loadBalancer: { simple: 'ROUND_ROBIN', warmupDurationSecs: '30s' } }, []],
    ['warms up for some time', { loadBalancer: { warmup: {} } }, ['invalid loadBalancer.warmup.duration']],
    [
      'warms up to its full share',
      { loadBalancer: { warmup: { duration: '0s', minimumPercent: 101, aggression: 0 } } },
      [
        'invalid loadBalancer.warmup.duration',
        'invalid loadBalancer.warmup.minimumPercent',
        'invalid loadBalancer.warmup.aggression',
      ],
    ],
    [
      'warms up in one way',
      { loadBalancer: { warmup: { duration: '1s' }, warmupDurationSecs: '1s' } },
      ['invalid loadBalancer'],
    ],
    [
      'warns of a warm-up that has no effect',
      { loadBalancer: { simple: 'RANDOM', warmup: { duration: '1s' } } },
      ['warning loadBalancer.warmup'],
    ],
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
    ['may follow the client', { connectionPool: { http: { useClientProtocol: true } } }, []],
    [
      'follows the client or not',
      { connectionPool: { http: { useClientProtocol: true, h2UpgradePolicy: 'UPGRADE' } } },
      ['invalid connectionPool.http.useClientProtocol'],
    ],
    [
      'pings for some time',
      { connectionPool: { http: { http2KeepAlive: { interval: '0s' } } } },
      ['invalid connectionPool.http.http2KeepAlive.interval', 'invalid connectionPool.http.http2KeepAlive.timeout'],
    ],
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
      'warns of what upstream gave up',
      { outlierDetection: { consecutiveErrors: 1 } },
      ['warning outlierDetection.consecutiveErrors'],
    ],
    [
      'counts answers as errors',
      { outlierDetection: { outlierDetectionHttpErrorCodes: [99, 600] } },
      [
        'invalid outlierDetection.outlierDetectionHttpErrorCodes[0]',
        'invalid outlierDetection.outlierDetectionHttpErrorCodes[1]',
      ],
    ],
    [
      'needs files for MUTUAL',
      { tls: { mode: 'MUTUAL' } },
      ['invalid tls.clientCertificate', 'invalid tls.privateKey'],
    ],
    [
      'takes credentials from Secrets, which gateways are given, and sidecars that it selects',
      { tls: { mode: 'MUTUAL', credentialName: 'a', subjectAltNames: ['b'] } },
      ['warning tls.credentialName'],
    ],
    [
      'tells so of a port, too',
      { portLevelSettings: [{ port: { number: 80 }, tls: { mode: 'SIMPLE', credentialName: 'a' } }] },
      ['warning portLevelSettings[0].tls.credentialName'],
    ],
    ['tells so where it is asked for alone', { tls: { mode: 'DISABLE', credentialName: 'a' } }, []],
    [
      'takes credentials from Secrets alone',
      { tls: { mode: 'SIMPLE', credentialName: 'configmap://a' } },
      ['unsupported tls.credentialName'],
    ],
    [
      'takes credentials from one place',
      { tls: { mode: 'SIMPLE', credentialName: 'a', caCertificates: 'b', caCrl: 'c' } },
      ['invalid tls.caCertificates', 'invalid tls.caCrl'],
    ],
    ['may verify nobody', { tls: { mode: 'SIMPLE', insecureSkipVerify: true, sni: 'a' } }, []],
    [
      'verifies nobody or somebody',
      { tls: { mode: 'SIMPLE', insecureSkipVerify: true, caCertificates: 'a', subjectAltNames: ['b'] } },
      ['invalid tls.caCertificates', 'invalid tls.subjectAltNames'],
    ],
    [
      'may hold a Secret and verify nobody',
      { tls: { mode: 'MUTUAL', insecureSkipVerify: true, credentialName: 'a' } },
      ['warning tls.credentialName'],
    ],
    [
      'always verifies the mesh',
      { tls: { mode: 'ISTIO_MUTUAL', insecureSkipVerify: true } },
      ['warning tls.insecureSkipVerify'],
    ],
    [
      'knows a port by what is first',
      {
        portLevelSettings: [
          { port: { number: 1 }, tls: {} },
          { port: { number: 1 }, tls: {} },
        ],
      },
      ['warning portLevelSettings[1]'],
    ],
    ['says something of a port', { portLevelSettings: [{ port: { number: 1 } }] }, ['invalid portLevelSettings[0]']],
    ['names the port', { portLevelSettings: [{ tls: {} }] }, ['invalid portLevelSettings[0].port']],
    ['says something by tunnel', { tunnel: { targetHost: 'a', targetPort: 1 } }, []],
    ['says something by the PROXY protocol', { proxyProtocol: { version: 'V2' } }, []],
    ['says something by a budget', { retryBudget: {} }, []],
    [
      'tunnels to a host',
      { tunnel: { protocol: 'GET', targetHost: 'a b', targetPort: 0 } },
      ['invalid tunnel.protocol', 'invalid tunnel.targetHost', 'invalid tunnel.targetPort'],
    ],
    ['tunnels to an address', { tunnel: { targetHost: '2001:db8::1', targetPort: 1 } }, []],
    [
      'tunnels without a header',
      { tunnel: { targetHost: 'a', targetPort: 1 }, proxyProtocol: { version: 'V1' } },
      ['invalid spec.trafficPolicy'],
    ],
    ['knows two versions', { proxyProtocol: { version: 'V3' } }, ['invalid proxyProtocol.version']],
    [
      'has budgets for the present',
      { retryBudget: { budgetInterval: '1s' } },
      ['unsupported retryBudget.budgetInterval'],
    ],
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

it('may be for some clients of its own namespace', () => {
  expect(paths({ workloadSelector: { matchLabels: { a: 'b' } }, exportTo: ['.'] })).toEqual([])
  expect(paths({ workloadSelector: {} })).toEqual(['warning spec.workloadSelector'])
  expect(paths({ workloadSelector: { matchLabels: { a: '*' } } })).toEqual([
    'invalid spec.workloadSelector.matchLabels.a',
  ])
  expect(paths({ workloadSelector: { matchLabels: { a: 'b' } }, exportTo: ['*'] })).toEqual([
    'invalid spec.exportTo[0]',
  ])
})

it('names Secrets for the clients that it selects', () => {
  const trafficPolicy = { tls: { mode: 'SIMPLE', credentialName: 'a' } }
  expect(paths({ trafficPolicy, workloadSelector: { matchLabels: { a: 'b' } } })).toEqual([])
  const foreign = { tls: { mode: 'SIMPLE', credentialName: 'kubernetes://elsewhere/a' } }
  expect(paths({ trafficPolicy: foreign, workloadSelector: { matchLabels: { a: 'b' } } })).toEqual([
    'warning spec.trafficPolicy.tls.credentialName',
  ])
  expect(paths({ subsets: [{ name: 'v1', trafficPolicy }] })).toEqual([
    'warning spec.subsets[0].trafficPolicy.tls.credentialName',
  ])
})

it('needs a host', () => {
  expect(paths({ host: undefined })).toEqual(['invalid spec.host'])
  expect(paths({ host: '' })).toEqual(['invalid spec.host'])
})
