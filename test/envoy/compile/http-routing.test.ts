import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Echo } from '#test/harness/echo-app.ts'
import { requestThroughProxy } from '#test/harness/proxy-request.ts'
import { proxyPort, Theatre } from './theatre.ts'

/** Loopback that no other test uses: a client, one with labels of its own, one of another namespace. */
const clients = { plain: '127.0.92.1', beta: '127.0.92.2', other: '127.0.92.3' } as const
type Client = keyof typeof clients

let theatre: Theatre

const route = '[{destination: {host: reviews}}]'
const answer = (name: string) => `directResponse: {status: 200, body: {string: ${name}}}`
const virtualService = (name: string, spec: string, namespace = 'default') => `
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: ${name}, namespace: ${namespace}}
    spec:${spec.replaceAll('\n', '\n      ')}`

/** Each answers with the name of its route; the order is that of the table's rows. */
const matches = `
hosts: [matches, '*.matches.example']
http:
  - {match: [{uri: {exact: /exact}}], ${answer('exact')}}
  - {match: [{uri: {exact: /EXACT-any}, ignoreUriCase: true}], ${answer('exact-any-case')}}
  - {match: [{uri: {prefix: /prefix}}], ${answer('prefix')}}
  - {match: [{uri: {prefix: /PREFIX-any}, ignoreUriCase: true}], ${answer('prefix-any-case')}}
  - {match: [{uri: {regex: '/items/[0-9]+'}}], ${answer('regex')}}
  - {match: [{uri: {regex: '/things/[a-z]+'}, ignoreUriCase: true}], ${answer('regex-case')}}
  - {match: [{uri: {prefix: /scheme}, scheme: {exact: https}}], ${answer('https')}}
  - {match: [{uri: {prefix: /scheme}, scheme: {exact: http}}], ${answer('http')}}
  - {match: [{uri: {prefix: /method}, method: {regex: 'PUT|POST'}}], ${answer('put-or-post')}}
  - {match: [{uri: {prefix: /method}, method: {exact: GET}}], ${answer('get')}}
  - {match: [{uri: {prefix: /authority}, authority: {prefix: matches.default}}], ${answer('authority')}}
  - {match: [{uri: {prefix: /header/exact}, headers: {x-a: {exact: one}}}], ${answer('header-exact')}}
  - {match: [{uri: {prefix: /header/prefix}, headers: {x-a: {prefix: one}}}], ${answer('header-prefix')}}
  - {match: [{uri: {prefix: /header/regex}, headers: {x-a: {regex: 'o[mn]e'}}}], ${answer('header-regex')}}
  - {match: [{uri: {prefix: /header/present}, headers: {x-a: {}}}], ${answer('header-present')}}
  - {match: [{uri: {prefix: /header/two}, headers: {x-a: {exact: one}, x-b: {exact: two}}}], ${answer('header-two')}}
  - {match: [{uri: {prefix: /without/exact}, withoutHeaders: {x-a: {exact: one}}}], ${answer('without-exact')}}
  - {match: [{uri: {prefix: /without/present}, withoutHeaders: {x-a: {}}}], ${answer('without-present')}}
  - {match: [{uri: {prefix: /without/any}, withoutHeaders: {x-a: {regex: '*'}}}], ${answer('without-any')}}
  - {match: [{uri: {prefix: /query/exact}, queryParams: {q: {exact: one}}}], ${answer('query-exact')}}
  - {match: [{uri: {prefix: /query/prefix}, queryParams: {q: {prefix: one}}}], ${answer('query-prefix')}}
  - {match: [{uri: {prefix: /query/regex}, queryParams: {q: {regex: '[0-9]+'}}}], ${answer('query-regex')}}
  - {match: [{uri: {prefix: /query/present}, queryParams: {q: {}}}], ${answer('query-present')}}
  - {match: [{uri: {prefix: /port}, port: 8080}], ${answer('port-8080')}}
  - {match: [{uri: {prefix: /port}, port: 80}], ${answer('port-80')}}
  - {match: [{uri: {prefix: /source/labels}, sourceLabels: {beta: 'yes', app: client}}], ${answer('beta')}}
  - {match: [{uri: {prefix: /source/labels}, sourceLabels: {app: client}}], ${answer('client')}}
  - {match: [{uri: {prefix: /source/namespace}, sourceNamespace: other}], ${answer('from-other')}}
  - {match: [{uri: {prefix: /source/both}, sourceNamespace: other, sourceLabels: {app: client}}], ${answer('other-client')}}
  - {match: [{uri: {prefix: /gateway}, gateways: [front]}], ${answer('front')}}
  - {match: [{uri: {prefix: /gateway}, gateways: [front, mesh]}], ${answer('mesh')}}
  - {match: [{uri: {exact: /or}}, {method: {exact: DELETE}}], ${answer('or')}}
  - {match: [{uri: {prefix: /order}}], ${answer('order-first')}}
  - {match: [{uri: {exact: /order/exact}}], ${answer('order-second')}}
  - {${answer('rest')}}
  - {match: [{uri: {prefix: /after}}], ${answer('after-all')}}`

const actions = `
hosts: [reviews]
http:
  - {match: [{uri: {prefix: /old/}}], rewrite: {uri: /new/}, route: ${route}}
  - {match: [{uri: {prefix: /strip}}], rewrite: {uri: /}, route: ${route}}
  - {match: [{uri: {exact: /whole}}], rewrite: {uri: /entire, authority: inside.example}, route: ${route}}
  - {match: [{uri: {regex: '/re/.*'}}], rewrite: {uri: /plain}, route: ${route}}
  - {match: [{uri: {prefix: /items}}], rewrite: {uriRegexRewrite: {match: '^/items/([0-9]+)/([a-z]+)', rewrite: '/\\2/\\1'}}, route: ${route}}
${[301, 302, 303, 307, 308]
  .map((code) => `  - {match: [{uri: {exact: /code/${code}}}], redirect: {uri: /there, redirectCode: ${code}}}`)
  .join('\n')}
  - {match: [{uri: {exact: /redirect/default}}], redirect: {uri: /there}}
  - {match: [{uri: {exact: /redirect/authority}}], redirect: {authority: example.org}}
  - {match: [{uri: {exact: /redirect/scheme}}], redirect: {scheme: https}}
  - {match: [{uri: {exact: /redirect/port}}], redirect: {port: 8443, scheme: https}}
  - {match: [{uri: {exact: /redirect/said-port}}], redirect: {port: 443, scheme: https}}
  - {match: [{uri: {exact: /redirect/request-port}}], redirect: {derivePort: FROM_REQUEST_PORT, authority: example.org}}
  - {match: [{uri: {exact: /redirect/protocol-port}}], redirect: {derivePort: FROM_PROTOCOL_DEFAULT, authority: example.org}}
  - {match: [{uri: {prefix: /redirect/prefix/}}], redirect: {prefixRewrite: /moved/}}
  - {match: [{uri: {exact: /fixed}}], directResponse: {status: 418, body: {bytes: dGVh}}}
  - {match: [{uri: {exact: /fixed/large}}], directResponse: {status: 200, body: {string: ${'x'.repeat(100_000)}}}}
  - {match: [{uri: {exact: /fixed/empty}}], directResponse: {status: 204}, headers: {response: {set: {x-set: here}}}}
  - match: [{uri: {exact: /headers}}]
    headers:
      request: {set: {x-set: route, x-client: route}, add: {x-add: route}, remove: [x-remove]}
      response: {set: {x-answer: route}, remove: [content-type]}
    route: [{destination: {host: reviews}, headers: {request: {set: {x-set: destination}, add: {x-add: destination}}, response: {add: {x-more: destination}}}}]
  - match: [{uri: {exact: /headers/several}}]
    headers: {request: {set: {x-set: route}}}
    route:
      - {destination: {host: reviews}, weight: 1, headers: {request: {set: {x-set: destination, x-own: destination, Host: weighted.example}}}}
      - {destination: {host: absent.example}, weight: 0}
  - {match: [{uri: {exact: /host}}], headers: {request: {set: {Host: set.example}}}, route: ${route}}
  - {match: [{uri: {exact: /host/added}}], headers: {request: {add: {':authority': added.example}}}, route: ${route}}
  - {match: [{uri: {exact: /host/destination}}], route: [{destination: {host: reviews}, headers: {request: {set: {host: own.example}}}}]}
  - match: [{uri: {exact: /weights}}]
    route:
      - {destination: {host: reviews}, weight: 1, headers: {response: {set: {x-to: light}}}}
      - {destination: {host: reviews}, weight: 3, headers: {response: {set: {x-to: heavy}}}}
      - {destination: {host: reviews}, weight: 0, headers: {response: {set: {x-to: none}}}}
  - {route: ${route}}`

const delegating = `
hosts: [delegating]
http:
  - name: root
    match: [{uri: {prefix: /team}}]
    headers: {request: {set: {x-by: root}}}
    delegate: {name: team, namespace: other}
  - {match: [{uri: {prefix: /absent}}], delegate: {name: absent}}
  - {match: [{uri: {prefix: /hidden}}], delegate: {name: hidden, namespace: other}}
  - {${answer('root')}}`

const delegated = `
http:
  - {match: [{uri: {exact: /team/one}}], rewrite: {uri: /rewritten}, route: [{destination: {host: own}}]}
  - {match: [{uri: {prefix: /elsewhere}}], ${answer('unfit')}}
  - {match: [{method: {exact: POST}}], ${answer('delegate')}}`

const scene = (port: number) => `
about: ''
services:
  - {host: reviews, ports: [http:80], endpoints: &endpoints {a: {address: 127.0.0.1, ports: {http: ${port}}, tls: none}}}
  - {host: matches, ports: [http:80, http2:8080:http], endpoints: *endpoints}
  - {host: a.matches.example, ports: [http:80], endpoints: *endpoints}
  - {host: delegating, ports: [http:80], endpoints: *endpoints}
  - {host: own, namespace: other, ports: [http:80], endpoints: *endpoints}
  - {host: untold, ports: [http:80], endpoints: *endpoints}
workloads:
  plain-1: {address: ${clients.plain}, labels: {app: client}}
  beta-1: {address: ${clients.beta}, labels: {app: client, beta: 'yes', more: label}}
  other-1: {address: ${clients.other}, namespace: other}
config:${virtualService('matches', matches)}${virtualService('actions', actions)}${virtualService('delegating', delegating)}${virtualService('team', delegated, 'other')}${virtualService('hidden', `\nexportTo: ['.']${delegated}`, 'other')}${virtualService('untold', `\nhosts: [untold]\nhttp: [{match: [{sourceNamespace: other}], ${answer('told')}}]`)}
proxies: [sidecar/default/plain-1, sidecar/default/beta-1, sidecar/other/other-1]
`

beforeAll(async () => {
  theatre = await Theatre.open()
  const app = await theatre.startApp('reviews')
  await theatre.start(scene(app.port))
})
afterAll(() => theatre.clear())

type Headers = Readonly<Record<string, string>>

const send = (url: string, { client = 'plain', headers = {}, method = 'GET' }: Request = {}) =>
  requestThroughProxy({ host: clients[client], port: proxyPort }, url, { headers, method })

interface Request {
  readonly client?: Client
  readonly headers?: Headers
  readonly method?: string
}

const getEcho = async (url: string, headers: Headers = {}): Promise<Echo> => {
  const { status, body } = await send(url, { headers })
  expect(status).toBe(200)
  return JSON.parse(body) as Echo
}

describe('matches', () => {
  test.each<[string, Request, string]>([
    ['/exact', {}, 'exact'],
    ['/exact?q=1', {}, 'exact'],
    ['/exact/', {}, 'rest'],
    ['/Exact', {}, 'rest'],
    ['/x/../exact', {}, 'exact'],
    ['/exact-ANY', {}, 'exact-any-case'],
    ['/prefix', {}, 'prefix'],
    ['/prefixed/more', {}, 'prefix'],
    ['/Prefix', {}, 'rest'],
    ['/prefix-ANY/more', {}, 'prefix'],
    ['/PreFix-any/more', {}, 'prefix-any-case'],
    ['/items/12', {}, 'regex'],
    ['/items/12?q', {}, 'regex'],
    ['/items/12/more', {}, 'rest'],
    ['/things/abc', {}, 'regex-case'],
    ['/THINGS/ABC', {}, 'rest'],
    ['/scheme', {}, 'http'],
    ['/method', {}, 'get'],
    ['/method', { method: 'PUT' }, 'put-or-post'],
    ['/method', { method: 'PATCH' }, 'rest'],
    ['/authority', {}, 'rest'],
    ['/authority', { headers: { host: 'matches.default' } }, 'authority'],
    ['/header/exact', { headers: { 'x-a': 'one' } }, 'header-exact'],
    ['/header/exact', { headers: { 'x-a': 'one more' } }, 'rest'],
    ['/header/prefix', { headers: { 'x-a': 'one more' } }, 'header-prefix'],
    ['/header/regex', { headers: { 'X-A': 'ome' } }, 'header-regex'],
    ['/header/regex', { headers: { 'x-a': 'some' } }, 'rest'],
    ['/header/present', { headers: { 'x-a': 'any' } }, 'header-present'],
    ['/header/present', {}, 'rest'],
    ['/header/two', { headers: { 'x-a': 'one', 'x-b': 'two' } }, 'header-two'],
    ['/header/two', { headers: { 'x-a': 'one' } }, 'rest'],
    ['/without/exact', {}, 'without-exact'],
    ['/without/exact', { headers: { 'x-a': 'two' } }, 'without-exact'],
    ['/without/exact', { headers: { 'x-a': 'one' } }, 'rest'],
    ['/without/present', {}, 'without-present'],
    ['/without/present', { headers: { 'x-a': 'any' } }, 'rest'],
    ['/without/any', {}, 'without-any'],
    ['/without/any', { headers: { 'x-a': 'any' } }, 'rest'],
    ['/query/exact?q=one', {}, 'query-exact'],
    ['/query/exact?q=two', {}, 'rest'],
    ['/query/prefix?a=b&q=one-more', {}, 'query-prefix'],
    ['/query/regex?q=12', {}, 'query-regex'],
    ['/query/regex?q=12a', {}, 'rest'],
    ['/query/present?q', {}, 'query-present'],
    ['/query/present', {}, 'rest'],
    ['/port', {}, 'port-80'],
    ['/port', { headers: { host: 'matches:8080' } }, 'port-8080'],
    ['/source/labels', {}, 'client'],
    ['/source/labels', { client: 'beta' }, 'beta'],
    ['/source/labels', { client: 'other' }, 'rest'],
    ['/source/namespace', {}, 'rest'],
    ['/source/namespace', { client: 'other' }, 'from-other'],
    ['/source/both', { client: 'other' }, 'rest'],
    ['/source/both', {}, 'rest'],
    ['/gateway', {}, 'mesh'],
    ['/or', {}, 'or'],
    ['/anything', { method: 'DELETE' }, 'or'],
    ['/order/exact', {}, 'order-first'],
    ['/after', {}, 'rest'],
    ['/exact', { headers: { host: 'a.matches.example' } }, 'exact'],
  ])('%s %j: %s', async (path, request, name) => {
    const url = `http://${request.headers?.host ?? (request.client === 'other' ? 'matches.default' : 'matches')}${path}`
    expect(await send(url, request)).toMatchObject({ status: 200, body: name })
  })

  test('a client for whom no route is finds the service itself', async () => {
    expect(await send('http://untold.default/', { client: 'other' })).toMatchObject({ body: 'told' })
    expect(await getEcho('http://untold/')).toMatchObject({ app: 'reviews' })
  })
})

describe('rewrites', () => {
  test.each([
    ['/old/a?q=1', '/new/a?q=1', 'reviews'],
    ['/strip/a', '//a', 'reviews'],
    ['/strip', '/', 'reviews'],
    ['/whole?q=1', '/entire?q=1', 'inside.example'],
    ['/re/a/b', '/plain', 'reviews'],
    ['/items/12/abc?q=1', '/abc/12?q=1', 'reviews'],
    ['/items/none', '/items/none', 'reviews'],
  ])('%s arrives as %s at %s', async (asked, path, host) => {
    expect(await getEcho(`http://reviews${asked}`)).toMatchObject({ path, headers: { host } })
  })
})

describe('redirects', () => {
  test.each([
    ...[301, 302, 303, 307, 308].map((code): [string, number, string] => [
      `/code/${code}`,
      code,
      'http://reviews/there',
    ]),
    ['/redirect/default?q=1', 301, 'http://reviews/there?q=1'],
    ['/redirect/authority?q=1', 301, 'http://example.org/redirect/authority?q=1'],
    ['/redirect/scheme', 301, 'https://reviews/redirect/scheme'],
    ['/redirect/port', 301, 'https://reviews:8443/redirect/port'],
    ['/redirect/said-port', 301, 'https://reviews/redirect/said-port'],
    ['/redirect/request-port', 301, 'http://example.org/redirect/request-port'],
    ['/redirect/protocol-port', 301, 'http://example.org/redirect/protocol-port'],
    ['/redirect/prefix/a?q=1', 301, 'http://reviews/moved/a?q=1'],
  ] as const)('%s: %i to %s', async (path, status, location) => {
    expect(await send(`http://reviews${path}`)).toMatchObject({ status, headers: { location } })
  })

  test('to https leave out the port of http', async () => {
    const { headers } = await send('http://reviews:80/redirect/scheme')
    expect(headers.location).toBe('https://reviews/redirect/scheme')
  })
})

test('fixed answers', async () => {
  expect(await send('http://reviews/fixed')).toMatchObject({ status: 418, body: 'tea' })
  expect((await send('http://reviews/fixed/large')).body).toHaveLength(100_000)
  expect(await send('http://reviews/fixed/empty')).toMatchObject({
    status: 204,
    body: '',
    headers: { 'x-set': 'here' },
  })
})

describe('headers', () => {
  test('of a route, then of its only destination', async () => {
    const headers = { 'x-set': 'client', 'x-add': 'client', 'x-remove': 'client' }
    const reply = await send('http://reviews/headers', { headers })
    const seen = (JSON.parse(reply.body) as Echo).headers
    expect(seen).toMatchObject({ 'x-set': 'destination', 'x-client': 'route' })
    expect(seen['x-add']?.replaceAll(' ', '')).toBe('client,route,destination')
    expect(seen['x-remove']).toBeUndefined()
    expect(reply.headers).toMatchObject({ 'x-answer': 'route', 'x-more': 'destination' })
    expect(reply.headers['content-type']).toBeUndefined()
  })

  test('of several destinations, then of their route', async () => {
    const { headers } = await getEcho('http://reviews/headers/several')
    expect(headers).toMatchObject({ 'x-set': 'route', 'x-own': 'destination', host: 'weighted.example' })
  })

  test.each([
    ['/host', 'set.example'],
    ['/host/added', 'added.example'],
    ['/host/destination', 'own.example'],
    ['/', 'reviews'],
  ])('%s asks for the host %s', async (path, host) => {
    expect((await getEcho(`http://reviews${path}`)).headers.host).toBe(host)
  })
})

test('weights need not add up to 100, and 0 is none', async () => {
  const replies = await Promise.all(Array.from({ length: 400 }, () => send('http://reviews/weights')))
  const to = replies.map(({ headers }) => headers['x-to'])
  const heavy = to.filter((each) => each === 'heavy').length
  expect(new Set(to)).toEqual(new Set(['light', 'heavy']))
  // 300 are expected; six standard deviations to each side.
  expect(heavy).toBeGreaterThan(248)
  expect(heavy).toBeLessThan(352)
})

describe('delegates', () => {
  test('route what their root leaves to them, with its headers, to their own hosts', async () => {
    const echo = await getEcho('http://delegating/team/one')
    expect(echo).toMatchObject({ path: '/rewritten', headers: { 'x-by': 'root' } })
  })

  test.each<[string, string, string]>([
    ['/team/two', 'POST', 'delegate'],
    ['/team/two', 'GET', 'root'],
    ['/elsewhere', 'GET', 'root'],
    ['/other', 'POST', 'root'],
    ['/absent', 'GET', 'root'],
    ['/hidden', 'POST', 'root'],
  ])('%s by %s is answered by the %s', async (path, method, name) => {
    expect(await send(`http://delegating${path}`, { method })).toMatchObject({ status: 200, body: name })
  })
})
