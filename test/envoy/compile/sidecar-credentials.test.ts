import { afterAll, beforeAll, expect, test } from 'vitest'
import type { parseCredential } from '#agent/credentials/parse-credential.ts'
import { eventually } from '#test/harness/child.ts'
import { requestThroughProxy } from '#test/harness/proxy-request.ts'
import { startOutsideServer, toOutsideServices, toSecret } from './outside-server.ts'
import type { Stage } from './stage.ts'
import { proxyPort, Theatre } from './theatre.ts'

/** By their names the sidecars' addresses; the account of `poor` may not read Secrets. */
const clients = { chosen: '127.0.96.11', other: '127.0.96.12', poor: '127.0.96.13' }
type Client = keyof typeof clients

const ofChosen = 'workloadSelector: {matchLabels: {app: chosen}}, '
/** The DestinationRules, by host. */
const rules = {
  'simple.example': [`${ofChosen}trafficPolicy: {tls: {mode: SIMPLE, credentialName: authorities}}`],
  'mutual.example': [
    `${ofChosen}trafficPolicy: {tls: {mode: MUTUAL, credentialName: pair}}`,
    'workloadSelector: {matchLabels: {app: other}}, trafficPolicy: {tls: {mode: SIMPLE, credentialName: wrong}}',
  ],
  'skip.example': [`${ofChosen}trafficPolicy: {tls: {mode: MUTUAL, credentialName: pair, insecureSkipVerify: true}}`],
  'shared.example': [`${ofChosen}trafficPolicy: {tls: {mode: SIMPLE, credentialName: pair}}`],
  'port.example': [
    `${ofChosen}trafficPolicy: {portLevelSettings: [{port: {number: 80}, tls: {mode: SIMPLE, credentialName: authorities}}]}`,
  ],
  'all.example': ['trafficPolicy: {tls: {mode: SIMPLE, credentialName: authorities}}'],
  'wrong.example': [`${ofChosen}trafficPolicy: {tls: {mode: SIMPLE, credentialName: wrong}}`],
  'foreign.example': [
    `${ofChosen}trafficPolicy: {tls: {mode: SIMPLE, credentialName: 'kubernetes://other/authorities'}}`,
  ],
  'absent.example': [`${ofChosen}trafficPolicy: {tls: {mode: MUTUAL, credentialName: absent}}`],
  'broken.example': [`${ofChosen}trafficPolicy: {tls: {mode: MUTUAL, credentialName: broken}}`],
}
const hosts = Object.keys(rules) as (keyof typeof rules)[]

let theatre: Theatre
let stage: Stage
/** What was answered before there were Secrets. */
let before: Readonly<Record<'plain' | 'simple', string>>
let secrets: Readonly<Record<'authorities' | 'pair' | 'renewed', ReturnType<typeof parseCredential>>>

beforeAll(async () => {
  theatre = await Theatre.open()
  const outside = await startOutsideServer(theatre, hosts)
  const issueClient = async (name: string) => {
    const { chainPem, privateKeyPem } = await outside.issueClient(name)
    return toSecret({ 'tls.crt': chainPem, 'tls.key': privateKeyPem, 'ca.crt': outside.rootPem })
  }
  const app = await theatre.startApp('plain')
  stage = await theatre.start(`
about: ''
services:
${toOutsideServices([...hosts.map((host) => [host, outside.port] as const), ['plain.example', app.port]])}
workloads:
  chosen: {address: ${clients.chosen}, labels: {app: chosen}}
  other: {address: ${clients.other}, labels: {app: other}}
  poor: {address: ${clients.poor}, labels: {app: chosen}, serviceAccount: poor}
config:
${hosts
  .flatMap((host) =>
    rules[host].map(
      (spec, index) =>
        `  - {apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: r${index}-${host}, namespace: default}, spec: {host: ${host}, ${spec}}}`,
    ),
  )
  .join('\n')}
proxies: [sidecar/default/chosen, sidecar/default/other, sidecar/default/poor/poor]
`)
  before = { plain: await ask('chosen', 'plain.example'), simple: await ask('chosen', 'simple.example') }
  secrets = {
    authorities: toSecret({ cacert: outside.rootPem }),
    pair: await issueClient('client.example'),
    renewed: await issueClient('renewed.example'),
  }
  await stage.changeAccess('default/poor', 'refused')
  const refused = await stage.changeCredentials(
    new Map([
      ['default/authorities', secrets.authorities],
      ['default/pair', secrets.pair],
      ['default/wrong-cacert', toSecret({ cacert: theatre.root.pem })],
      ['default/broken', toSecret({ 'tls.crt': outside.chainPem, cacert: outside.rootPem })],
      ['other/authorities', secrets.authorities],
    ]),
  )
  if (refused.length > 0) throw new Error(refused.join('\n'))
  await untilAnswers('chosen', 'mutual.example', 'DNS:client.example')
})
afterAll(() => theatre.clear())

const ask = async (client: Client, host: string): Promise<string> => {
  const { status, body } = await requestThroughProxy({ host: clients[client], port: proxyPort }, `http://${host}/`)
  return status === 200 ? body : String(status)
}

/** Envoy says that it has a secret before its connections go by it. */
const untilAnswers = (client: Client, host: string, expected: string) =>
  eventually(`${client} is answered ${expected} by ${host}`, async () => (await ask(client, host)) === expected)

const problems = () =>
  stage
    .credentialProblems()
    .map(({ object, message }) => `${object} ${message}`)
    .toSorted()

test.each<[Client, string, string, string]>([
  ['chosen', 'simple.example', 'nobody', 'is verified by the Secret, and shown no certificate'],
  ['chosen', 'mutual.example', 'DNS:client.example', 'is verified by the Secret, and shown its certificate'],
  ['chosen', 'skip.example', 'DNS:client.example', 'is not verified where the rule says so'],
  ['chosen', 'port.example', 'nobody', 'is verified by the Secret of its port'],
  ['chosen', 'wrong.example', '503', 'is not believed when others vouch for it'],
  ['chosen', 'foreign.example', '503', 'is not believed by a Secret of another namespace'],
  ['chosen', 'absent.example', '503', 'is not believed while the Secret is missing'],
  ['chosen', 'broken.example', '503', 'is not believed by a Secret that is of no use'],
  ['chosen', 'all.example', '503', 'is not believed by a rule that selects nobody'],
  ['other', 'all.example', '503', 'is not believed by a rule that selects nobody'],
  ['other', 'mutual.example', '503', "goes by the Secret of the client's own rule"],
  ['poor', 'simple.example', 'nobody', 'is verified also for accounts that may not read Secrets'],
  [
    'poor',
    'shared.example',
    'nobody',
    'is verified by the authorities of a Secret whose key another rule names in vain',
  ],
  ['poor', 'mutual.example', '503', 'is shown no certificate by an account that may not read Secrets'],
])('to %s %s answers %s: it %s', async (client, host, expected) => {
  expect(await ask(client, host)).toBe(expected)
})

test('a missing Secret hinders nobody else, and each fault is told at the rule', () => {
  expect(before.plain).toContain('"app":"plain"')
  expect(before.simple).toBe('503')
  expect(problems()).toEqual([
    expect.stringMatching(/r0-absent.example tls: Secret default\/absent is not there$/),
    expect.stringMatching(/r0-broken.example tls: Secret default\/broken is of no use: it has a certificate or a key/),
    expect.stringMatching(/r0-mutual.example tls: Secret default\/pair is not given to sidecars of .* default\/poor:/),
    expect.stringMatching(/r0-skip.example tls: Secret default\/pair is not given to sidecars of .* default\/poor:/),
  ])
})

test('who may read Secrets now is given the key, and who may not any more has it no longer', async () => {
  await stage.changeAccess('default/poor', 'allowed')
  await untilAnswers('poor', 'mutual.example', 'DNS:client.example')
  await stage.changeAccess('default/poor', 'refused')
  await untilAnswers('poor', 'mutual.example', '503')
  expect(await ask('poor', 'skip.example')).toBe('nobody')
  expect(await ask('poor', 'simple.example')).toBe('nobody')
  expect(await ask('chosen', 'mutual.example')).toBe('DNS:client.example')
})

test('a Secret that is renewed reaches the sidecar alone, and one that is gone leaves it nothing', async () => {
  const changes = /cluster_manager\.cluster_(added|modified)|listener_manager\.listener_(added|modified)/
  const counted = await stage.statistics(changes)
  expect(counted.length).toBeGreaterThan(0)
  await stage.changeCredentials(new Map([['default/pair', secrets.renewed]]))
  await untilAnswers('chosen', 'mutual.example', 'DNS:renewed.example')
  await stage.changeCredentials(new Map([['default/pair', null]]))
  await untilAnswers('chosen', 'mutual.example', '503')
  expect(await ask('chosen', 'skip.example')).toBe('nobody')
  expect(await ask('chosen', 'simple.example')).toBe('nobody')
  expect(problems()).toContainEqual(expect.stringContaining('r0-mutual.example tls: Secret default/pair is not there'))
  await stage.changeCredentials(new Map([['default/pair', secrets.pair]]))
  await untilAnswers('chosen', 'mutual.example', 'DNS:client.example')
  expect(await stage.statistics(changes)).toEqual(counted)
})

test('an agent that is started anew takes nothing from sidecars that they may have, and leaves them nothing that they may not', async () => {
  expect(await stage.restartAgent()).toEqual([])
  expect(await ask('chosen', 'mutual.example')).toBe('DNS:client.example')
  expect(await ask('poor', 'mutual.example')).toBe('503')
  await stage.restartAgent(new Map([['default/pair', null]]))
  await untilAnswers('chosen', 'mutual.example', '503')
  expect(await ask('chosen', 'skip.example')).toBe('nobody')
  expect(await ask('chosen', 'simple.example')).toBe('nobody')
})
