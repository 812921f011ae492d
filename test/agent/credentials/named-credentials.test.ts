import { expect, test } from 'vitest'
import { findCredentialProblems } from '#agent/credentials/credential-problems.ts'
import { KnownSecrets } from '#agent/credentials/known-secrets.ts'
import type { SecretAccess } from '#agent/credentials/credential-source.ts'
import { createLog } from '#agent/log.ts'
import type { Credential } from '#agent/credentials/parse-credential.ts'
import { err, ok, type Result } from '#mesh/result.ts'
import { findNamedCredentials } from '#agent/credentials/named-credentials.ts'
import { readScene } from '#test/compile/scene.ts'

const rule = (name: string, namespace: string, spec: string) =>
  `  - {apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: ${name}, namespace: ${namespace}}, spec: {host: a.example, ${spec}}}\n`
const tls = (settings: string) => `trafficPolicy: {tls: ${settings}}`

const { store, proxies } = readScene(`
about: ''
services: []
workloads:
  gateway-1: {address: 127.0.96.4, labels: {app: edge}}
  client-1: {address: 127.0.96.5, labels: {app: x}}
  client-2: {address: 127.0.96.6, labels: {app: x, tier: front}}
config:
  - apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: front, namespace: default}
    spec: {servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: ['*'], tls: {mode: SIMPLE, credentialName: served}}]}
${[
  rule('mutual', 'other', tls('{mode: MUTUAL, credentialName: pair}')),
  rule('hidden', 'other', `exportTo: ['.'], ${tls('{mode: SIMPLE, credentialName: hidden}')}`),
  rule(
    'edge',
    'default',
    `workloadSelector: {matchLabels: {app: edge}}, ${tls('{mode: SIMPLE, credentialName: edge}')}`,
  ),
  rule(
    'inner',
    'default',
    `workloadSelector: {matchLabels: {app: x}}, ${tls('{mode: SIMPLE, credentialName: inner}')}`,
  ),
  rule(
    'front',
    'default',
    `workloadSelector: {matchLabels: {tier: front}}, subsets: [{name: v1, ${tls('{mode: MUTUAL, credentialName: front}')}}]`,
  ),
  rule('foreign', 'default', tls("{mode: SIMPLE, credentialName: 'kubernetes://other/foreign'}")),
  rule('idle', 'default', tls('{mode: ISTIO_MUTUAL, credentialName: idle}')),
].join('')}
proxies: [gateway/default/gateway-1, sidecar/default/client-1/sleep, sidecar/default/client-2/sleep]
`)

const rules = store.destinationRulesWithCredentials()
const [gateway, ...sidecars] = proxies.map((proxy) => findNamedCredentials(store, rules, proxy))
const named = gateway ?? []

test('rules that name a Secret are known as they come, change and go', () => {
  const { store: changing, changes } = readScene(`
about: ''
services: []
config:
${rule('one', 'default', tls('{mode: SIMPLE, credentialName: one}'))}${rule('other', 'default', tls('{mode: SIMPLE}'))}
`)
  const names = () => changing.destinationRulesWithCredentials().map(({ metadata }) => metadata.name)
  const [one, other] = changes.filter((change) => change.kind === 'config')
  if (!one?.value || !other?.value) throw new Error('no rules')
  expect(names()).toEqual(['one'])
  changing.apply([{ ...other, value: { ...other.value, spec: one.value.spec } }])
  expect(names()).toEqual(['one', 'other'])
  changing.apply([{ ...one, value: null }, other])
  expect(names()).toEqual([])
})

test('a sidecar is named what rules name that select it, and of keys only what its account may read', () => {
  const inner = 'default/inner client-authorities undefined'
  expect(sidecars.map((each) => each.map(({ secret, part, reader }) => `${secret} ${part} ${reader}`))).toEqual([
    [inner],
    ['default/front client-certificate default/sleep', 'default/front mutual-authorities default/sleep', inner],
  ])
})

test('the Secrets of use are those that Gateways and DestinationRules name for the gateways that are here', () => {
  expect(named.map(({ object, secret, part }) => `${object} ${secret} ${part}`).toSorted()).toEqual([
    'DestinationRule/default/edge default/edge client-authorities',
    'DestinationRule/other/mutual default/pair client-certificate',
    'DestinationRule/other/mutual default/pair mutual-authorities',
    'Gateway/default/front default/served certificate',
  ])
  const faultOf = (secret: string) => (secret === 'default/edge' ? 'missing' : undefined)
  const problem = (text: string) => [
    { object: 'DestinationRule/default/edge', message: `tls: Secret default/edge ${text}` },
  ]
  expect(findCredentialProblems(named, { faultOf }, undefined)).toEqual(problem('is not there'))
  const source = {
    isReading: () => false,
    failureOf: () => 'forbidden',
    isForbidden: () => false,
    accessOf: () => 'allowed' as const,
  }
  expect(findCredentialProblems(named, { faultOf }, source)).toEqual(problem('can not be read: forbidden'))
  expect(findCredentialProblems(named, { faultOf }, { ...source, isReading: () => true })).toEqual([])
  const known = { faultOf: () => undefined }
  expect(findCredentialProblems(named, known, source)).toEqual([])
  const messages = findCredentialProblems(named, known, { ...source, isForbidden: () => true })
  expect(messages).toHaveLength(3)
  expect(messages).toContainEqual(problem('can not be read any more, and what it said goes on: forbidden')[0])
})

test.each<[SecretAccess, string[]]>([
  ['allowed', []],
  ['asked', []],
  [
    'refused',
    [
      'tls: Secret default/front is not given to sidecars of service account default/sleep: a Role does not let it list Secrets',
    ],
  ],
  [
    { failure: 'away' },
    [expect.stringMatching(/Secret default\/front is not given .* default\/sleep: .* tell .*: away$/) as string],
  ],
  [
    { failure: 'away', before: 'refused' },
    [expect.stringMatching(/Secret default\/front is not given .* default\/sleep: .* tell .*: away$/) as string],
  ],
  [
    { failure: 'away', before: 'allowed' },
    [expect.stringMatching(/Secret default\/front goes on .* default\/sleep, .* any more .*: away$/) as string],
  ],
])('that an account is %s is told at the rule', (access, expected) => {
  const credentials = { faultOf: () => undefined }
  const source = {
    isReading: () => false,
    failureOf: () => undefined,
    isForbidden: () => false,
    accessOf: () => access,
  }
  const problems = findCredentialProblems(sidecars.flat(), credentials, source)
  expect(problems.map(({ object, message }) => `${object} ${message}`)).toEqual(
    expected.map((text) => (typeof text === 'string' ? `DestinationRule/default/front ${text}` : text)),
  )
})

test('a Secret that is of no use is told once, at what names it, or by itself', () => {
  const credentials = new KnownSecrets(createLog('silent'))
  credentials.take(
    new Map<string, Result<Credential, string>>([
      ['default/pair', err('bad pair')],
      ['default/edge', ok({ certificate: { chainPem: '', keyPem: '' } })],
      ['default/edge-cacert', err('bad authority')],
      ['default/unnamed', err('bad')],
    ]),
  )
  const source = {
    isReading: () => false,
    failureOf: () => 'not of what is there',
    isForbidden: () => false,
    accessOf: () => 'allowed' as const,
  }
  expect(
    findCredentialProblems(named, credentials, source)
      .map(({ message }) => message)
      .toSorted(),
  ).toEqual([
    expect.stringContaining('default/served can not be read: not of what is there'),
    'tls: Secret default/edge is of no use with default/edge-cacert: bad authority',
    'tls: Secret default/pair is of no use: bad pair',
  ])
  expect(credentials.problems(new Set(named.map(({ secret }) => secret)))).toEqual(['Secret/default/unnamed: bad'])
})
