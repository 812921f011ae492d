import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runFake } from './fake-io.ts'

let folder: string
let file: string
let issuer: string
const write = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}
const policy = (name: string, spec: string, metadata = '') => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ${name}, namespace: shop${metadata}}
spec: {${spec}}`
const toIssuer = (more = '') => `
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: people, namespace: shop}
spec: {jwtRules: [{issuer: https://idp.example, audiences: [shop], jwksUri: https://idp.example/keys${more}}]}
`
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'atoll-authz-'))
  issuer = write('issuer.yaml', toIssuer())
  const pod = (name: string, account: string) => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}, namespace: shop}
spec: {template: {metadata: {labels: {app: ${name}}}, spec: {serviceAccountName: ${account}, containers: [{name: app, image: a}]}}}`
  file = write(
    'mesh.yaml',
    [
      `
apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: shop}
spec: {selector: {app: reviews}, ports: [{name: http, port: 9080}, {name: tcp, port: 9000}]}`,
      pod('reviews', 'reviews'),
      pod('frontend', 'web'),
      policy(
        'readers',
        `rules: [{from: [{source: {serviceAccounts: [web]}}], to: [{operation: {methods: [GET], paths: [/reviews/*]}}]},
        {when: [{key: 'request.auth.claims[realm][roles]', values: [admin]}]}, {when: [{key: 'request.headers[x-role]', values: [root]}]},
        {from: [{source: {ipBlocks: [192.0.2.0/24, '2001:db8::/32']}}]}]`,
      ),
      policy('closed', 'action: DENY, rules: [{to: [{operation: {paths: ["*/secret"], ports: ["9080"]}}]}]'),
      policy('marked', 'action: AUDIT, rules: [{to: [{operation: {methods: [GET], ports: ["9080"]}}]}]'),
      policy(
        'trial',
        'action: DENY, rules: [{to: [{operation: {paths: ["/reviews/1"], ports: ["9080"]}}]}]',
        ', annotations: {istio.io/dry-run: "true"}',
      ),
      `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: shop}
spec: {mtls: {mode: STRICT}}`,
      `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec: {hosts: [reviews], http: [
  {match: [{uri: {prefix: /old}}], rewrite: {uri: /reviews}, route: [{destination: {host: reviews, port: {number: 9080}}}]},
  {match: [{uri: {prefix: /as-root}}], headers: {request: {set: {x-role: root}}}, route: [{destination: {host: reviews, port: {number: 9080}}}]},
  {route: [{destination: {host: reviews, port: {number: 9080}}}]}]}`,
    ].join('\n---'),
  )
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const check = (args: readonly string[], files: readonly string[] = [file]) =>
  runFake(['authz', 'check', 'shop/frontend', ...args, ...files.flatMap((each) => ['-f', each])])

it('tells the rule that decides, what is marked, and what dry runs would do', async () => {
  const { code, stdout } = await check(['http://reviews:9080/reviews/1'])
  expect(code).toBe(0)
  expect(stdout).toMatchSnapshot()
})

const admin = ['--claim', 'realm[roles]=reader', '--claim', 'realm[roles]=admin', '--claim', 'aud=shop']
const readers = 'AuthorizationPolicy/shop/readers'

it.each([
  [['http://reviews:9080/reviews/2'], 0, 'allowed', [`${readers} rules[0]`]],
  [['http://reviews:9080/reviews/2?x=/secret'], 0, 'allowed', [`${readers} rules[0]`]],
  [['http://reviews:9080/reviews/secret'], 11, 'denied', ['AuthorizationPolicy/shop/closed rules[0]']],
  [
    ['http://reviews:9080/reviews/2', '--method', 'post', '--source-ip', '10.0.0.1'],
    11,
    'denied',
    [`${readers} rules`],
  ],
  [['http://reviews:9080/old/2'], 0, 'allowed', [`${readers} rules[0]`]],
  [['http://reviews:9080/x', '--header', 'x-role=root'], 0, 'allowed', [`${readers} rules[2]`]],
  [['http://reviews:9080/as-root'], 0, 'allowed', [`${readers} rules[2]`]],
  [['http://reviews:9080/x', '--source-ip', '192.0.2.9'], 0, 'allowed', [`${readers} rules[3]`]],
  [['http://reviews:9080/x', '--source-ip', '2001:db8:0:1::9'], 0, 'allowed', [`${readers} rules[3]`]],
  [['http://reviews:9080/x', '--source-ip', '2001:db9::9'], 11, 'denied', [`${readers} rules`]],
  [['http://reviews:9080/x'], 10, 'not-known', []],
  [['tcp://reviews:9000', '--source-ip', '10.0.0.1'], 11, 'denied', [`${readers} rules`]],
  [['tcp://reviews:9000', '--source-ip', '192.0.2.1'], 0, 'allowed', [`${readers} rules[3]`]],
  [['http://reviews:9080/reviews/2', '--no-proxy'], 11, 'denied', ['PeerAuthentication/shop/default mtls']],
  [['http://nobody/'], 9, 'not-asked', []],
  [['http://reviws.shop:9080/'], 9, 'not-asked', []],
])('of files, %j: %d', async (args, code, outcome, by) => {
  const result = await check([...args, '-o', 'json'])
  const answer = JSON.parse(result.stdout) as { decidedBy: { object: string; path: string }[] }
  expect({ code: result.code, ...answer }).toMatchObject({ code, outcome })
  expect(answer.decidedBy.map(({ object, path }) => `${object} ${path}`)).toEqual(by)
})

it.each([
  [[...admin], 0, `Allowed by ${readers} rules[1]`],
  [[...admin, '--claim', 'iss=https://other.example'], 11, 'tokens of https://other.example are not right there'],
  [admin.slice(0, 4), 11, 'a token has to be for shop'],
  [['--header', 'authorization=Bearer x'], 10, 'claim realm.roles'],
])('of tokens, %j: %d', async (args, code, text) => {
  const result = await check(['http://reviews:9080/x', '--source-ip', '10.0.0.1', ...args], [file, issuer])
  expect({ code: result.code, stdout: result.stdout }).toEqual({ code, stdout: expect.stringContaining(text) })
})

const bearer = ['--header', 'authorization=Bearer x']
it.each([
  ['authorization', [], [], 0],
  ['authorization', [], admin, 10],
  ['authorization', [], [...admin, ...bearer], 11],
  ['x-token', [], admin, 0],
  ['x-token', ['x-token'], admin, 10],
])('takes the header %s for not known where there is a token that may be in it', async (name, issuers, args, code) => {
  const denies = write(
    'bearer.yaml',
    policy('bearers', `action: DENY, rules: [{when: [{key: 'request.headers[${name}]', values: ['*']}]}]`),
  )
  const files = [
    file,
    denies,
    ...issuers.map((header) => write('header.yaml', toIssuer(`, fromHeaders: [{name: ${header}}]`))),
  ]
  const result = await check(['http://reviews:9080/reviews/2', '--source-ip', '10.0.0.1', ...args], files)
  expect({ code: result.code, isMissing: result.stdout.includes(`not known: header ${name}`) }).toEqual({
    code,
    isMissing: code === 10,
  })
})

it('counts no claim where nobody verifies tokens', async () => {
  const { code, stdout } = await check(['http://reviews:9080/x', '--source-ip', '10.0.0.1', ...admin])
  expect(code).toBe(11)
  expect(stdout).toContain('nobody verifies tokens there')
})

it.each([
  [['reviews', '--claim', 'sub'], 'is no claim'],
  [['reviews', '--claim', 'a=b', '--claim', 'a[b]=c'], 'a is a text and has claims inside'],
  [['reviews', '--source-ip', 'here'], 'is no IP address'],
])('refuses %j', async (args, reason) => {
  const { code, stderr } = await check(args)
  expect(code).toBe(2)
  expect(stderr).toContain(reason)
})
