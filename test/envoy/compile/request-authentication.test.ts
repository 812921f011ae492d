import { createHmac } from 'node:crypto'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Echo } from '#test/harness/echo-app.ts'
import { requestThroughProxy } from '#test/harness/proxy-request.ts'
import { TokenSigner, toJwks, toToken } from '#test/harness/token-signer.ts'
import type { ViewChange } from '#mesh/view.ts'
import type { Stage } from './stage.ts'
import { clientAddress, get, proxyPort, serverAddress, stageNetwork, Theatre } from './theatre.ts'

const gateway = `${stageNetwork}.65`
const gatewayPort = 18_080

let theatre: Theatre
beforeAll(async () => {
  theatre = await Theatre.open()
})
afterAll(() => theatre.clear())

const inline = new TokenSigner('https://inline.example', 'i1', 'RS256')
const fetched = new TokenSigner('https://fetched.example', 'f1', 'EdDSA')
const next = new TokenSigner('https://fetched.example', 'f2', 'ES256')
const unreachable = new TokenSigner('https://unreachable.example', 'u1', 'RS256')
const placed = new TokenSigner('https://placed.example', 'p1', 'ES384')
const discovered = new TokenSigner('https://discovered.example/', 'd1', 'ES512')
const padded = new TokenSigner('https://pss.example', 's1', 'PS256')
const impostor = new TokenSigner('https://inline.example', 'i1', 'RS256')
const stranger = new TokenSigner('https://stranger.example', 'x1', 'RS256')

const fetchedUrl = 'https://fetched.example/keys'
const discoveryUrl = 'https://discovered.example/.well-known/openid-configuration'
const toKeys = (url: string, ...signers: readonly TokenSigner[]): ViewChange => ({
  kind: 'keys',
  url,
  value: toJwks(...signers),
})
const known = [toKeys(fetchedUrl, fetched), toKeys(discoveryUrl, discovered)]

/** Gives the keys that an agent would have fetched. */
const makeKnown = async (stage: Stage): Promise<void> => {
  const refused = await stage.change(...known)
  if (refused.length > 0) throw new Error(refused.join('\n'))
}

const object = (name: string, namespace: string, spec: unknown) =>
  `  - ${JSON.stringify({ apiVersion: 'security.istio.io/v1', kind: 'RequestAuthentication', metadata: { name, namespace }, spec })}\n`
const inlineRule = {
  issuer: inline.issuer,
  jwks: toJwks(inline),
  outputPayloadToHeader: 'x-payload',
  outputClaimToHeaders: [
    { header: 'x-sub', claim: 'sub' },
    { header: 'x-team', claim: 'user.team' },
  ],
}
const placedRule = {
  issuer: placed.issuer,
  jwks: toJwks(placed),
  forwardOriginalToken: true,
  fromHeaders: [{ name: 'x-jwt' }, { name: 'X-Other', prefix: 'Token ' }],
  fromParams: ['jwt'],
  fromCookies: ['session'],
  outputClaimToHeaders: [{ header: 'x-placed', claim: 'sub' }],
}
const toObjects = (selector: unknown) =>
  [
    object('one', 'default', { ...(selector as object), jwtRules: [inlineRule] }),
    object('two', 'default', {
      jwtRules: [
        { issuer: fetched.issuer, jwksUri: fetchedUrl, audiences: ['books', 'films'] },
        { issuer: unreachable.issuer, jwksUri: 'https://unreachable.example/keys' },
        { issuer: discovered.issuer },
        { issuer: padded.issuer, jwks: toJwks(padded) },
      ],
    }),
    object('of-the-mesh', 'atoll-system', { jwtRules: [placedRule] }),
    object('of-others', 'default', {
      selector: { matchLabels: { app: 'other' } },
      jwtRules: [{ issuer: stranger.issuer, jwks: toJwks(stranger) }],
    }),
    object('elsewhere', 'shop', { jwtRules: [{ issuer: stranger.issuer, jwks: toJwks(stranger) }] }),
    object('of-a-gateway', 'default', {
      targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'other' }],
      jwtRules: [{ issuer: stranger.issuer, jwks: toJwks(stranger) }],
    }),
  ].join('')

interface Reply {
  readonly status: number
  readonly head: string
  readonly body: string
  readonly echo: Echo | undefined
}

/** A request as it is written, with several lines of one header if so. */
const ask = (host: string, port: number, path: string, lines: readonly string[], method = 'GET'): Promise<Reply> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host, port })
    let text = ''
    socket.setEncoding('utf8')
    socket.on('error', reject)
    socket.on('data', (data: string) => {
      text += data
      const [head = '', body = ''] = text.split('\r\n\r\n', 2)
      // What Envoy says itself is there before it closes.
      if (Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? Infinity) <= body.length) socket.destroy()
    })
    socket.on('close', () => {
      const [head = '', body = ''] = text.split('\r\n\r\n', 2)
      const json = /\{.*\}/s.exec(body)?.[0]
      resolve({
        status: Number(head.split(' ')[1]),
        head,
        body,
        echo: head.includes('application/json') && json !== undefined ? (JSON.parse(json) as Echo) : undefined,
      })
    })
    socket.write([`${method} ${path} HTTP/1.1`, 'host: a.example', 'connection: close', ...lines, '', ''].join('\r\n'))
  })

const bearer = (token: string) => `authorization: Bearer ${token}`
const seconds = () => Math.floor(Date.now() / 1000)
const good = inline.sign()
const bad = impostor.sign()
const placedGood = placed.sign({ sub: 'bob' })
const unsigned = toToken({ alg: 'none' }, { iss: inline.issuer, sub: 'eve' }, () => '')
const confused = toToken({ alg: 'HS256', kid: 'i1' }, { iss: inline.issuer, sub: 'eve' }, (signed) =>
  createHmac('sha256', inline.publicPem).update(signed).digest(),
)

/** Name; what is asked; the status. */
type Row = readonly [name: string, path: string, lines: readonly string[], status: number]

const rows: readonly Row[] = [
  ['no token', '/', [], 200],
  ['a right token', '/', [bearer(good)], 200],
  ['a right token in a parameter', `/?access_token=${good}`, [], 200],
  ["a right token of another object's rule", '/', [`x-jwt: ${placedGood}`], 200],
  ['a right token behind a prefix', '/', [`x-other: Token ${placedGood}`], 200],
  ['a right token in a parameter of its own', `/?a=1&jwt=${placedGood}`, [], 200],
  ['a right token in a cookie', '/', [`cookie: a=1; session=${placedGood}`], 200],
  ['a right token of RSASSA-PSS', '/', [bearer(padded.sign())], 200],
  [
    'a right token of a fetched key, for one of the audiences',
    '/',
    [bearer(fetched.sign({ aud: ['x', 'films'] }))],
    200,
  ],
  ['a right token of an issuer that was discovered', '/', [bearer(discovered.sign())], 200],
  ['another audience', '/', [bearer(fetched.sign({ aud: 'music' }))], 403],
  ['no audience where one is asked for', '/', [bearer(fetched.sign())], 403],
  ['an unknown issuer', '/', [bearer(stranger.sign())], 401],
  ['no issuer', '/', [bearer(inline.sign({ iss: undefined }))], 401],
  ['an issuer whose keys nobody knows', '/', [bearer(unreachable.sign())], 401],
  ["another's signature", '/', [bearer(bad)], 401],
  ["another issuer's key", '/', [bearer(fetched.sign({ iss: inline.issuer }))], 401],
  [
    'a changed payload',
    '/',
    [bearer(good.replace(/\.[^.]*\./, `.${Buffer.from(`{"iss":"${inline.issuer}"}`).toString('base64url')}.`))],
    401,
  ],
  ['alg none', '/', [bearer(unsigned)], 401],
  ['the public key as a shared secret', '/', [bearer(confused)], 401],
  ['an unknown kid', '/', [bearer(inline.sign({}, { kid: 'i2' }))], 401],
  ["nobody's kid", '/', [bearer(inline.sign({}, { kid: 'nobody' }))], 401],
  ['no kid', '/', [bearer(inline.sign({}, { kid: undefined }))], 200],
  ['an algorithm that is not the key’s', '/', [bearer(inline.sign({}, { alg: 'RS512' }))], 401],
  ['expired for longer than clocks may differ', '/', [bearer(inline.sign({ exp: seconds() - 90 }))], 401],
  ['expired within what clocks may differ', '/', [bearer(inline.sign({ exp: seconds() - 20 }))], 200],
  ['valid later than clocks may differ', '/', [bearer(inline.sign({ nbf: seconds() + 600 }))], 401],
  ['valid within what clocks may differ', '/', [bearer(inline.sign({ nbf: seconds() + 20 }))], 200],
  ['malformed', '/', ['authorization: Bearer token'], 401],
  ['malformed in a parameter', '/?access_token=token', [], 401],
  ['an empty parameter', '/?access_token=', [], 401],
  ['other letters of the scheme', '/', [`authorization: bearer ${bad}`], 401],
  ['another scheme', '/', ['authorization: Basic YTpi'], 200],
  ['an issuer at a place that is not its', '/', [bearer(placedGood)], 401],
  ['a wrong token in a cookie', '/', [`cookie: session=${bad}`], 401],
  ['a wrong token in a header of its own', '/', [`x-jwt: ${bad}`], 401],
  ['two right tokens', `/?jwt=${placedGood}`, [bearer(good)], 200],
  ['a right header, a wrong parameter', `/?access_token=${bad}`, [bearer(good)], 401],
  ['a wrong header, a right parameter', `/?access_token=${good}`, [bearer(bad)], 401],
  ['a right token, a wrong one of another issuer', `/?jwt=${bad}`, [bearer(good)], 401],
  ['a right token, a wrong cookie', '/', [bearer(good), `cookie: session=${bad}`], 401],
  ['two lines, the second wrong', '/', [bearer(good), bearer(bad)], 401],
  ['two lines, the first wrong', '/', [bearer(bad), bearer(good)], 401],
  ['two lines of another header, the second wrong', '/', [`x-jwt: ${placedGood}`, `x-jwt: ${bad}`], 401],
  ['two lines of another header, the first wrong', '/', [`x-jwt: ${bad}`, `x-jwt: ${placedGood}`], 401],
  ['two parameters, the second wrong', `/?jwt=${placedGood}&jwt=${bad}`, [], 401],
  ['two parameters, one of them encoded', `/?access_token=${good}&acc%65ss_token=${bad}`, [], 401],
  ['one parameter, encoded', `/?acc%65ss_token=${bad}`, [], 401],
  ['two cookies, the second wrong', '/', [`cookie: session=${placedGood}; session=${bad}`], 401],
  ["what Atoll's own provider looks at", '/', [`x-atoll-no-token: ${good}`], 401],
  ['other parameters that are encoded', `/?filter%5Bname%5D=x&access_token=${good}`, [], 200],
]

const statusesOf = async (send: (row: Row) => Promise<number>) => {
  const statuses: Record<string, number> = {}
  for (const row of rows) statuses[row[0]] = await send(row)
  return statuses
}
const expected = Object.fromEntries(rows.map(([name, , , status]) => [name, status]))

describe('at a gateway', () => {
  let stage: Stage
  const send = (path: string, lines: readonly string[], method?: string) =>
    ask(gateway, gatewayPort, path, lines, method)

  beforeAll(async () => {
    const app = await theatre.startApp('a')
    stage = await theatre.start(`
about: ''
services:
  - {host: a, ports: [http:80], endpoints: {a-1: {address: 127.0.0.1, ports: {http: ${app.port}}, tls: none}}}
  - {host: front, ports: [http:80], endpoints: {gateway-1: {address: ${gateway}, ports: {http: ${gatewayPort}}}}}
workloads:
  gateway-1: {address: ${gateway}, labels: {istio: ingressgateway}}
config:
  - {apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: front, namespace: default}, spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}}
  - {apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: a, namespace: default}, spec: {hosts: ['*'], gateways: [front], http: [
      {match: [{uri: {prefix: /by-claim}, headers: {'@request.auth.claims.group': {exact: red}}}], directResponse: {status: 210}},
      {match: [{uri: {prefix: /by-claim}, headers: {'@request.auth.claims[user][example.org/team]': {prefix: b}}, withoutHeaders: {'@request.auth.claims.blocked': {}}}], directResponse: {status: 211}},
      {match: [{uri: {prefix: /by-claim}, headers: {x-sub: {exact: carol}}}], directResponse: {status: 212}},
      {match: [{uri: {prefix: /by-claim}, withoutHeaders: {'@request.auth.claims.sub': {}}}], directResponse: {status: 213}},
      {route: [{destination: {host: a.default.svc.cluster.local, port: {number: 80}}}]}]}}
${toObjects({ selector: { matchLabels: { istio: 'ingressgateway' } } })}
proxies: [gateway/default/gateway-1]
`)
    await makeKnown(stage)
  })

  test('lets through whoever has right tokens or none', async () => {
    expect(await statusesOf(async ([, path, lines]) => (await send(path, lines)).status)).toEqual(expected)
  })

  test('says why, and how to do better', async () => {
    const { head, body } = await send('/', [bearer(inline.sign({ exp: seconds() - 90 }))])
    expect(body).toContain('Jwt is expired')
    expect(head.toLowerCase()).toContain('www-authenticate: bearer realm="http://a.example/", error="invalid_token"')
  })

  test('tells the application what is in a token, and nothing else by those names', async () => {
    const spoofed = ['x-sub: eve', 'x-team: evil', 'x-payload: e30', 'x-placed: eve', 'X-SUB: eve']
    const token = inline.sign({ sub: 'carol', user: { team: 'reds' } })
    const headersOf = async (lines: readonly string[], path = '/', method = 'GET') =>
      (await send(path, [...spoofed, ...lines], method)).echo?.headers
    const told = ['x-sub', 'x-team', 'x-placed', 'x-payload', 'authorization']
    const pick = (headers: Echo['headers'] | undefined) =>
      Object.fromEntries(told.flatMap((name) => (headers?.[name] === undefined ? [] : [[name, headers[name]]])))
    const payload = token.split('.')[1]
    expect(pick(await headersOf([bearer(token)]))).toEqual({ 'x-sub': 'carol', 'x-team': 'reds', 'x-payload': payload })
    expect(pick(await headersOf([], `/?access_token=${token}`))).toEqual({
      'x-sub': 'carol',
      'x-team': 'reds',
      'x-payload': payload,
    })
    expect(pick(await headersOf([`x-jwt: ${placedGood}`]))).toEqual({ 'x-placed': 'bob' })
    expect(pick(await headersOf([]))).toEqual({})
    expect(pick(await headersOf([bearer(padded.sign())]))).toEqual({})
    const preflight = ['origin: https://b.example', 'access-control-request-method: GET']
    expect(pick(await headersOf(preflight, '/', 'OPTIONS'))).toEqual({})
  })

  test.each([
    [{ group: 'red' }, 210],
    [{ group: ['blue', 'red'] }, 210],
    [{ group: 'reds' }, 200],
    [{ user: { 'example.org/team': 'blues' } }, 211],
    [{ user: { 'example.org/team': 'blues' }, blocked: 'yes' }, 200],
    [{ sub: 'carol' }, 212],
    [undefined, 213],
  ])('routes by what a verified token says: %j to %d', async (claims, status) => {
    expect(await send('/by-claim', claims ? [bearer(inline.sign(claims))] : [])).toMatchObject({ status })
  })

  test('takes tokens away, unless the application is to have them', async () => {
    expect((await send('/', [bearer(good)])).echo?.headers).not.toHaveProperty('authorization')
    expect((await send(`/?access_token=${good}&q=1`, [])).echo?.path).toBe('/?q=1')
    expect((await send('/', [`x-jwt: ${placedGood}`])).echo?.headers['x-jwt']).toBe(placedGood)
    expect((await send(`/?jwt=${placedGood}`, [])).echo?.path).toBe(`/?jwt=${placedGood}`)
  })

  test("lets browsers' questions through, which have no tokens", async () => {
    const origin = 'origin: https://b.example'
    const preflight = [origin, 'access-control-request-method: GET']
    expect((await send('/', preflight, 'OPTIONS')).status).toBe(200)
    expect((await send('/', [origin, bearer(bad)], 'OPTIONS')).status).toBe(401)
    expect((await send('/', [...preflight, bearer(bad)])).status).toBe(401)
  })

  test('fails no request while an issuer rotates its keys, and takes no tokens of one that is gone', async () => {
    const [old, young] = [fetched, next].map((signer) => signer.sign({ aud: 'books' }))
    const counts = { sent: 0, failed: 0 }
    let isOver = false
    const asking = Promise.all(
      Array.from({ length: 4 }, async () => {
        while (!isOver) {
          const { status } = await send('/', [bearer(old ?? '')])
          counts.sent += 1
          if (status !== 200) counts.failed += 1
        }
      }),
    )
    for (const signers of [
      [fetched, next],
      [next, fetched],
      [fetched, next],
    ])
      expect(await stage.change(toKeys(fetchedUrl, ...signers))).toEqual([])
    expect((await send('/', [bearer(young ?? '')])).status).toBe(200)
    isOver = true
    await asking
    expect(counts.sent).toBeGreaterThan(0)
    expect(counts.failed).toBe(0)

    expect(await stage.change(toKeys(fetchedUrl, next))).toEqual([])
    expect((await send('/', [bearer(old ?? '')])).status).toBe(401)
    expect((await send('/', [bearer(young ?? '')])).status).toBe(200)
    expect(await stage.change(toKeys(fetchedUrl, fetched))).toEqual([])
  })
})

describe('at a sidecar', () => {
  let stage: Stage
  const sidecar = 'http://server.default.svc.cluster.local'
  const send = (path: string, headers: Readonly<Record<string, string>> = {}) => get(`${sidecar}${path}`, headers)

  beforeAll(async () => {
    const app = await theatre.startApp('server')
    stage = await theatre.start(`
about: ''
services:
  - {host: server, ports: [http:80], endpoints: {server-1: {address: ${serverAddress}, ports: {http: ${app.port}}, serviceAccount: server}}}
workloads:
  server-1: {address: ${serverAddress}, serviceAccount: server, labels: {app: server}}
  client-1: {address: ${clientAddress}, serviceAccount: client}
config:
${toObjects({ selector: { matchLabels: { app: 'server' } } })}
proxies: [sidecar/default/client-1/client, sidecar/default/server-1/server]
`)
    await makeKnown(stage)
  })

  test('lets through whoever has right tokens or none', async () => {
    const once = rows.filter(([, , lines]) => new Set(lines.map((line) => line.split(':')[0])).size === lines.length)
    for (const [name, path, lines, status] of once) {
      const headers = Object.fromEntries(lines.map((line) => line.split(/: ?(.*)/s).slice(0, 2)))
      expect([name, (await send(path, headers)).status]).toEqual([name, status])
    }
  })

  test('is for the workload of its rules alone', async () => {
    const rule = object('closed', 'default', {
      selector: { matchLabels: { app: 'other' } },
      jwtRules: [{ issuer: 'https://other.example', jwks: 'nonsense' }],
    })
    const value = JSON.parse(rule.replace('  - ', ''))
    expect(
      await stage.change({ kind: 'config', origin: 'mesh', key: 'RequestAuthentication/default/closed', value }),
    ).toEqual([])
    expect((await send('/', { authorization: `Bearer ${good}` })).status).toBe(200)
    const mine = { ...value, spec: { ...value.spec, selector: { matchLabels: { app: 'server' } } } }
    expect(
      await stage.change({ kind: 'config', origin: 'mesh', key: 'RequestAuthentication/default/closed', value: mine }),
    ).toEqual([])
    expect((await send('/')).status).toBe(200)
    expect((await send('/', { authorization: `Bearer ${stranger.sign()}` })).status).toBe(401)
    expect(
      await stage.change({ kind: 'config', origin: 'mesh', key: 'RequestAuthentication/default/closed', value: null }),
    ).toEqual([])
  })

  test('takes a token that is right by one of several rules of an issuer', async () => {
    const other = new TokenSigner(inline.issuer, 'o1', 'ES256')
    const spec = { jwtRules: [{ issuer: inline.issuer, jwks: toJwks(other), audiences: ['others'] }] }
    const key = 'RequestAuthentication/default/twin'
    const value = JSON.parse(object('twin', 'default', spec).replace('  - ', ''))
    expect(await stage.change({ kind: 'config', origin: 'mesh', key, value })).toEqual([])
    const statusOf = async (token: string, path = '/') =>
      (await send(path, { authorization: `Bearer ${token}` })).status
    expect(await statusOf(good)).toBe(200)
    expect(await statusOf(other.sign({ aud: 'others' }))).toBe(200)
    expect(await statusOf(other.sign())).toBeGreaterThan(400)
    expect(await statusOf(bad)).toBeGreaterThan(400)
    expect(await statusOf(good, `/?access_token=${bad}`)).toBe(401)
    expect((await send('/')).status).toBe(200)
    expect(await stage.change({ kind: 'config', origin: 'mesh', key, value: null })).toEqual([])
  })
})

test("a token is verified where the call arrives, also from another cluster's client", async () => {
  const network = 'network: network-2'
  const app = await theatre.startApp('reviews')
  await theatre.start(
    `
about: ''
settings: {meshConfig: {proxyHttpPort: 0}}
clusters: {west: {${network}}}
services:
  - host: reviews
    ports: [http:80]
    endpoints:
      server-1: {cluster: west, ${network}, address: ${stageNetwork}.66, ports: {http: ${app.port}}, serviceAccount: western}
workloads:
  server-1: {address: ${stageNetwork}.66, ${network}, serviceAccount: western}
  gateway-1: {address: ${stageNetwork}.67, ${network}, ports: {tls: 15443}}
config:
${object('reviews', 'default', { jwtRules: [inlineRule] })}
proxies: [sidecar/default/server-1/western, east-west-gateway/default/gateway-1]
`,
    { member: theatre.west },
  )
  await theatre.start(`
about: ''
clusters: {west: {${network}, gateways: [{address: ${stageNetwork}.67, port: 15443}]}}
services:
  - {host: reviews, ports: [http:80], remote: {west: [{weight: 1, serviceAccounts: [western]}]}}
workloads: {client-2: {address: ${stageNetwork}.68}}
config: []
proxies: [sidecar/default/client-2]
`)
  const statusOf = async (headers: Readonly<Record<string, string>>) =>
    (await requestThroughProxy({ host: `${stageNetwork}.68`, port: proxyPort }, 'http://reviews/', { headers })).status
  expect(await statusOf({})).toBe(200)
  expect(await statusOf({ authorization: `Bearer ${good}` })).toBe(200)
  expect(await statusOf({ authorization: `Bearer ${bad}` })).toBe(401)
})
