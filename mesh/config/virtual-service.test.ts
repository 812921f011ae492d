import { describe, expect, it } from 'vitest'
import { pathsOfProblems, problemsOfSpec } from '#test/kinds/problems-of-spec.ts'

const route = [{ destination: { host: 'reviews' } }]
const http = [{ route }]
const problems = (spec: object) => problemsOfSpec('VirtualService', { hosts: ['reviews'], ...spec })
const paths = (spec: object) => pathsOfProblems('VirtualService', { hosts: ['reviews'], ...spec })
const inRoute = (fields: object) =>
  paths({ http: [{ route, ...fields }] }).map((path) => path.replace('spec.http[0].', ''))
const inMatch = (match: object) =>
  paths({ http: [{ match: [match], route }] }).map((path) => path.replace('spec.http[0].match[0].', ''))

it('accepts all that it says it supports', () => {
  const everything = {
    hosts: ['reviews', '*.example.org', '10.0.0.1'],
    gateways: ['mesh'],
    exportTo: ['.', 'other'],
    http: [
      {
        name: 'first',
        match: [
          {
            name: 'jason',
            uri: { prefix: '' },
            scheme: { exact: 'http' },
            method: { regex: 'GET|POST' },
            authority: { exact: 'reviews' },
            headers: { 'x-user': { exact: 'jason' }, ':path': { prefix: '/' }, 'x-any': {} },
            withoutHeaders: { 'x-old': { regex: '*' } },
            queryParams: { v: { exact: '' } },
            ignoreUriCase: true,
            port: 80,
            sourceNamespace: 'shop',
            sourceLabels: { app: 'a' },
            statPrefix: 'first',
            gateways: ['mesh'],
          },
        ],
        route: [
          {
            destination: { host: 'reviews', subset: 'v1', port: { number: 80 } },
            weight: 80,
            headers: { response: { remove: ['x-a'] } },
          },
          { destination: { host: 'reviews.shop.svc.cluster.local', subset: '' }, weight: 20 },
        ],
        rewrite: { uriRegexRewrite: { match: '^/a/(.*)$', rewrite: String.raw`/\1` }, authority: 'a' },
        timeout: '1h30m',
        retries: { attempts: 3, perTryTimeout: '250ms', retryOn: '5xx,reset,503' },
        headers: { request: { set: { 'x-at': '%START_TIME(%s)%', pct: '100%%' }, add: { b: '%REQ(:path):10%' } } },
      },
      {
        match: [{ uri: { prefix: '/old' } }],
        redirect: { uri: '/new', redirectCode: 302, derivePort: 'FROM_REQUEST_PORT' },
      },
      { match: [{ uri: { prefix: '/elder' } }], redirect: { prefixRewrite: '/new', scheme: 'https' } },
      { match: [{ uri: { exact: '/b' } }], directResponse: { status: 200, body: { bytes: 'aGk=' } } },
      { route },
    ],
    tcp: [
      {
        match: [{ port: 9000, gateways: ['mesh'], destinationSubnets: ['10.0.0.0/8', '10.0.0.1', 'fd00::/8'] }],
        route: [{ destination: { host: 'db' }, weight: 1 }],
      },
    ],
    tls: [
      {
        match: [{ port: 443, sniHosts: ['reviews', 'a.example.org', '*.b.example.org'], sourceNamespace: 'shop' }],
        route: [
          { destination: { host: 'a' }, weight: 1 },
          { destination: { host: 'b' }, weight: 9 },
        ],
      },
    ],
  }
  expect(problems(everything)).toEqual([])
})

it('treats null and the empty forms of refused fields as unset', () => {
  expect(problems({ http: [{ route, delegate: null, mirrors: [] }], tls: null, gateways: null })).toEqual([])
})

describe('hosts', () => {
  it.each([
    [[], []],
    [['*'], ['invalid spec.hosts[0]']],
    [['a b'], ['invalid spec.hosts[0]']],
    [['a.*.org'], ['invalid spec.hosts[0]']],
    [['example.123'], ['invalid spec.hosts[0]']],
    [['a.org', 'a.org'], ['invalid spec.hosts[1]']],
    [['*.a.org', 'b.a.org'], ['invalid spec.hosts[1]']],
    [['*.foo.bar', '*.bar'], ['invalid spec.hosts[1]']],
    [['a.org', 'b.org', '*.c.org'], []],
  ])('%j', (hosts, expected) => {
    expect(paths({ hosts, http })).toEqual(expected)
  })
  it('may be what mesh mTLS asks for, where gateways pass TLS on', () => {
    const sni = 'outbound_.80_._.reviews.shop.svc.cluster.local'
    const tls = [{ match: [{ sniHosts: [sni] }], route }]
    expect(paths({ hosts: [sni], gateways: ['front'], tls })).toEqual([])
    expect(paths({ hosts: [sni], http })).toEqual(['invalid spec.hosts[0]'])
  })
  it('may be "*" for gateways alone', () => {
    expect(paths({ hosts: ['*'], gateways: ['shop/front', 'back', 'old.shop.svc.cluster.local'], http })).toEqual([])
    expect(paths({ hosts: ['*'], gateways: ['shop/front', 'mesh'], http })).toEqual(['invalid spec.hosts[0]'])
    expect(paths({ gateways: ['sh@p/front', 'a_b', '/a'], http })).toEqual(
      [0, 1, 2].map((index) => `invalid spec.gateways[${index}]`),
    )
  })
})

describe('routes', () => {
  it('must be there', () => {
    expect(problems({})).toEqual(['invalid spec: needs at least one http, tcp or tls route'])
  })
  it.each<[string, object, string[]]>([
    ['no action', { route: undefined }, ['invalid spec.http[0]']],
    ['two actions', { redirect: { uri: '/' } }, ['invalid spec.http[0]']],
    ['a rewritten redirect', { route: [], redirect: { uri: '/' }, rewrite: { uri: '/' } }, ['invalid rewrite']],
    ['an empty redirect', { route: [], redirect: { redirectCode: 301 } }, ['invalid redirect']],
    [
      'a redirect with uri and prefixRewrite',
      { route: [], redirect: { uri: '/', prefixRewrite: '/' } },
      ['invalid redirect'],
    ],
    [
      'a prefixRewrite without a prefix',
      { route: [], match: [{ uri: { exact: '/' } }], redirect: { prefixRewrite: '/' } },
      ['invalid redirect.prefixRewrite'],
    ],
    [
      'a redirect code that Envoy does not have',
      { route: [], redirect: { uri: '/', redirectCode: 304 } },
      ['unsupported redirect.redirectCode'],
    ],
    [
      'a redirect code that is none',
      { route: [], redirect: { uri: '/', redirectCode: 200 } },
      ['invalid redirect.redirectCode'],
    ],
    [
      'a direct response with a wrong status',
      { route: [], directResponse: { status: 99 } },
      ['invalid directResponse.status'],
    ],
    [
      'a body in two forms',
      { route: [], directResponse: { status: 200, body: { string: 'a', bytes: 'YQ==' } } },
      ['invalid directResponse.body'],
    ],
    [
      'bytes that are no base64',
      { route: [], directResponse: { status: 200, body: { bytes: 'a' } } },
      ['invalid directResponse.body.bytes'],
    ],
    ['an empty rewrite', { rewrite: {} }, ['invalid rewrite']],
    [
      'a rewrite in two ways',
      { rewrite: { uri: '/', uriRegexRewrite: { match: 'a', rewrite: 'b' } } },
      ['invalid rewrite'],
    ],
    [
      'a rewrite by a bad expression',
      { rewrite: { uriRegexRewrite: { match: '(', rewrite: 'b' } } },
      ['invalid rewrite.uriRegexRewrite.match'],
    ],
    [
      'the authority set twice',
      { rewrite: { authority: 'a' }, headers: { request: { set: { Host: 'b' } } } },
      ['invalid spec.http[0]'],
    ],
    [
      'a host header in a response',
      { headers: { response: { set: { host: 'b' } } } },
      ['invalid headers.response.set.host'],
    ],
    ['a pseudo header', { headers: { request: { set: { ':path': '/' } } } }, ['invalid headers.request.set[":path"]']],
    ['a header that has no name', { headers: { request: { remove: [''] } } }, ['invalid headers.request.remove[0]']],
    [
      'a lone percent sign',
      { headers: { request: { set: { a: '%START_TIME%%' } } } },
      ['invalid headers.request.set.a'],
    ],
    [
      'a header value with a line break',
      { headers: { request: { set: { a: 'b\nc' } } } },
      ['invalid headers.request.set.a'],
    ],
    ['a timeout of nothing', { timeout: '0s' }, ['invalid timeout']],
    ['retry conditions without attempts', { retries: { retryOn: '5xx' } }, ['invalid retries']],
    ['an unknown retry condition', { retries: { attempts: 1, retryOn: '5xx,often' } }, ['invalid retries.retryOn']],
    ['negative attempts', { retries: { attempts: -1 } }, ['invalid retries.attempts']],
    ['weights that add up to nothing', { route: [...route, ...route] }, ['invalid route']],
    ['a negative weight', { route: [{ destination: { host: 'a' }, weight: -1 }] }, ['invalid route[0].weight']],
    ['no destination', { route: [{}] }, ['invalid route[0].destination']],
    ['the destination "*"', { route: [{ destination: { host: '*' } }] }, ['invalid route[0].destination.host']],
    [
      'a port number that is none',
      { route: [{ destination: { host: 'a', port: { number: 0 } } }] },
      ['invalid route[0].destination.port.number'],
    ],
    [
      'a subset that is no label',
      { route: [{ destination: { host: 'a', subset: 'v 1' } }] },
      ['invalid route[0].destination.subset'],
    ],
    ['a field of another place', { weight: 1 }, ['unknown_field weight']],
  ])('%s', (_, fields, expected) => {
    expect(inRoute(fields)).toEqual(expected)
  })
  it('are reported where nothing after them is reached', () => {
    expect(paths({ http: [...http, ...http] })).toEqual(['warning spec.http[0]'])
  })
  it('of TCP need a destination, and blocks of addresses', () => {
    expect(paths({ tcp: [{ match: [{ port: 1, destinationSubnets: ['10.0.0.0/33'] }] }] })).toEqual([
      'invalid spec.tcp[0].match[0].destinationSubnets[0]',
      'invalid spec.tcp[0].route',
    ])
    const route = [{ destination: { host: 'reviews' } }]
    expect(paths({ tcp: [{ match: [{ sourceSubnet: '10.0.0.0/8' }], route }] })).toEqual([
      'warning spec.tcp[0].match[0].sourceSubnet',
    ])
  })
  it.each<[string, object, string[]]>([
    ['no match', { match: [] }, ['invalid spec.tls[0].match']],
    ['no host', { match: [{ sniHosts: [] }] }, ['invalid spec.tls[0].match[0].sniHosts']],
    ['no destination', { match: [{ sniHosts: ['a.org'] }], route: [] }, ['invalid spec.tls[0].route']],
    ['a host of elsewhere', { match: [{ sniHosts: ['b.org'] }] }, ['invalid spec.tls[0].match[0].sniHosts[0]']],
    ['more than the hosts', { match: [{ sniHosts: ['*.org'] }] }, ['invalid spec.tls[0].match[0].sniHosts[0]']],
    ['a host that is none', { match: [{ sniHosts: ['a.*.org'] }] }, ['invalid spec.tls[0].match[0].sniHosts[0]']],
    ['an address', { match: [{ sniHosts: ['10.0.0.1'] }] }, ['warning spec.tls[0].match[0].sniHosts[0]']],
    ['a part of the hosts', { match: [{ sniHosts: ['*.x.c.org', 'y.c.org'] }] }, []],
  ])('of TLS, with %s', (_, fields, expected) => {
    expect(paths({ hosts: ['a.org', '*.c.org'], tls: [{ route, ...fields }] })).toEqual(expected)
  })
})

describe('matches', () => {
  it.each<[string, object, string[]]>([
    ['two forms at once', { uri: { exact: '/', prefix: '/' } }, ['invalid uri']],
    ['an empty prefix but for the uri', { method: { prefix: '' } }, ['invalid method.prefix']],
    ['an empty expression', { uri: { regex: '' } }, ['invalid uri.regex']],
    ['an expression that is not RE2', { headers: { a: { regex: '(?=a)' } } }, ['invalid headers.a.regex']],
    ['an expression that is too long', { uri: { regex: 'a'.repeat(1025) } }, ['invalid uri.regex']],
    ['"*" as the expression of a header', { headers: { a: { regex: '*' } } }, ['invalid headers.a.regex']],
    ['a header without a matcher', { headers: { a: null } }, ['invalid headers.a']],
    ['a header that is none', { headers: { 'a b': {} } }, ['invalid headers["a b"]']],
    [
      'claims without a name',
      { headers: { '@request.auth.claims': { exact: 'b' } }, withoutHeaders: { '@request.auth.claims[a': {} } },
      ['invalid headers["@request.auth.claims"]', 'invalid withoutHeaders["@request.auth.claims[a"]'],
    ],
    ['a namespace that is none', { sourceNamespace: 'a.b' }, ['invalid sourceNamespace']],
    ['a label that is none', { sourceLabels: { 'a b': 'c' } }, ['invalid sourceLabels["a b"]']],
    ['a value of a label that is none', { sourceLabels: { a: 'b c' } }, ['invalid sourceLabels.a']],
    ['a port that is none', { port: 65_536 }, ['invalid port']],
    ['a gateway', { gateways: ['mesh', 'front', 'a_b'] }, ['invalid gateways[2]']],
  ])('%s', (_, match, expected) => {
    expect(inMatch(match)).toEqual(expected)
  })
})

it('reports everything at once, with what was probably meant', () => {
  expect(
    problems({
      hsots: [],
      http: [{ route, timeout: 5, retrys: {}, match: [{ uri: { prefix: 1 }, header: {} }] }],
      exportTo: 'all',
    }),
  ).toEqual([
    'invalid spec.http[0].match[0].uri.prefix: must be a string, not a number: put it in quotes',
    'unknown_field spec.http[0].match[0].header: is not a field: did you mean "headers"?',
    'invalid spec.http[0].timeout: must be a duration such as 250ms, 5s, 1h30m',
    'unknown_field spec.http[0].retrys: is not a field: did you mean "retries"?',
    'invalid spec.exportTo: must be a list, not a string',
    'unknown_field spec.hsots: is not a field: did you mean "hosts"?',
  ])
})

it('says which condition of retries was probably meant', () => {
  const [problem] = problems({ http: [{ route, retries: { retryOn: '5xx,conect-failure' } }] })
  expect(problem).toMatch(/^invalid spec\.http\[0\]\.retries\.retryOn: "conect-failure" is neither /)
  expect(problem).toMatch(/: did you mean "connect-failure"\?$/)
})

it('says what is written here where people write what others take', () => {
  const fault = { abort: { httpStatus: 503, percent: 50 }, delay: { fixedDelay: '1s', percentage: 50 } }
  const destinations = [{ port: 9080 }, { port: { name: 'http' } }].map((port) => ({
    destination: { host: 'reviews', ...port },
    weight: 1,
  }))
  expect(problems({ http: [{ route: destinations, fault }] })).toEqual([
    'invalid spec.http[0].route[0].destination.port: must be an object such as {number: 9080}',
    'invalid spec.http[0].route[1].destination.port.number: is required',
    'unknown_field spec.http[0].route[1].destination.port.name: is not a field: did you mean "number"?',
    'invalid spec.http[0].fault.delay.percentage: must be an object such as {value: 50}',
    'unknown_field spec.http[0].fault.abort.percent: is not a field: did you mean "percentage: {value: …}"?',
  ])
})

it.each([
  [['.', 'shop'], ['invalid spec.exportTo[1]']],
  [['*', 'a'], ['invalid spec.exportTo[0]']],
  [['~'], ['invalid spec.exportTo[0]']],
  [['a b'], ['invalid spec.exportTo[0]']],
  [['*'], []],
])('exportTo %j', (exportTo, expected) => {
  expect(paths({ http, exportTo })).toEqual(expected)
})

describe('delegation', () => {
  const delegate = { name: 'a', namespace: 'b' }
  it.each<[string, object, string[]]>([
    ['by name alone', { http: [{ delegate: { name: 'a' } }] }, []],
    [
      'with what the delegates inherit',
      { http: [{ delegate, rewrite: { uri: '/' }, timeout: '1s', fault: { abort: { httpStatus: 503 } } }] },
      [],
    ],
    ['beside a fixed answer', { http: [{ delegate, directResponse: { status: 200 } }] }, []],
    ['beside a route', { http: [{ delegate, route }] }, ['invalid spec.http[0].route']],
    ['beside a redirect', { http: [{ delegate, redirect: { uri: '/' } }] }, ['invalid spec.http[0].redirect']],
    ['to a delegate', { hosts: [], http }, []],
    ['by a delegate', { hosts: [], http: [{ delegate }] }, ['invalid spec.http[0].delegate']],
    ['to a delegate for gateways', { hosts: [], gateways: ['mesh'], http }, ['invalid spec.gateways']],
    ['to a delegate for TCP', { hosts: [], tcp: [{ route }] }, ['invalid spec.tcp']],
    ['to a delegate for TLS', { hosts: [], tls: [{ match: [{ sniHosts: ['a.b'] }], route }] }, ['invalid spec.tls']],
    ['to a delegate without routes', { hosts: [] }, ['invalid spec']],
  ])('%s', (_, spec, expected) => expect(paths(spec)).toEqual(expected))
})
