import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '#test/harness/child.ts'
import { requestThroughProxy } from '#test/harness/proxy-request.ts'
import { startOutsideServer, toOutsideServices, toSecret } from './outside-server.ts'
import type { Stage } from './stage.ts'
import { Theatre } from './theatre.ts'

const gateway = { host: '127.0.96.3', port: 18080 }

/** The DestinationRules' TLS, by host. */
const settings = {
  'simple.example': '{mode: SIMPLE, credentialName: authorities}',
  'mutual.example': '{mode: MUTUAL, credentialName: pair}',
  'skip.example': '{mode: MUTUAL, credentialName: pair, insecureSkipVerify: true}',
  'wrong.example': '{mode: SIMPLE, credentialName: wrong}',
  'foreign.example': "{mode: SIMPLE, credentialName: 'kubernetes://other/authorities'}",
  'absent.example': '{mode: SIMPLE, credentialName: absent}',
  'served.example': '{mode: SIMPLE, credentialName: served}',
}
const hosts = Object.keys(settings) as (keyof typeof settings)[]

let theatre: Theatre
let stage: Stage
/** What was answered before there were Secrets. */
let before: Readonly<Record<'plain' | 'simple', string>>
let refused: readonly string[]

beforeAll(async () => {
  theatre = await Theatre.open()
  const outside = await startOutsideServer(theatre, hosts)
  const client = await outside.issueClient('client.example')
  const app = await theatre.startApp('plain')
  stage = await theatre.start(`
about: ''
services:
${toOutsideServices([...hosts.map((host) => [host, outside.port] as const), ['plain.example', app.port]])}
workloads:
  gateway-1: {address: ${gateway.host}}
config:
  - apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: egress, namespace: default}
    spec:
      servers:
        - {port: {number: ${gateway.port}, name: http, protocol: HTTP}, hosts: ['*.example']}
        - {port: {number: 18443, name: https, protocol: HTTPS}, hosts: ['*.example'], tls: {mode: MUTUAL, credentialName: served}}
${[...hosts, 'plain.example']
  .map(
    (host) =>
      `  - {apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: ${host}, namespace: default}, spec: {hosts: [${host}], gateways: [egress], http: [{route: [{destination: {host: ${host}, port: {number: 80}}}]}]}}`,
  )
  .join('\n')}
${hosts
  .map(
    (host) =>
      `  - {apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: ${host}, namespace: default}, spec: {host: ${host}, trafficPolicy: {tls: ${settings[host]}}}}`,
  )
  .join('\n')}
proxies: [gateway/default/gateway-1]
`)
  before = { plain: await ask('plain.example'), simple: await ask('simple.example') }

  const authorities = toSecret({ cacert: outside.rootPem })
  refused = await stage.changeCredentials(
    new Map([
      ['default/authorities', authorities],
      ['default/pair', toSecret({ 'tls.crt': client.chainPem, 'tls.key': client.privateKeyPem })],
      ['default/pair-cacert', authorities],
      ['default/wrong', toSecret({ cacert: theatre.root.pem })],
      ['other/authorities', authorities],
      [
        'default/served',
        toSecret({ 'tls.crt': client.chainPem, 'tls.key': client.privateKeyPem, 'ca.crt': outside.rootPem }),
      ],
    ]),
  )
})
afterAll(() => theatre.clear())

const ask = async (host: string): Promise<string> => {
  const { status, body } = await requestThroughProxy(gateway, `http://${host}/`)
  return status === 200 ? body : String(status)
}

test.each([
  ['simple.example', 'nobody', 'is verified by the Secret, and shown no certificate'],
  ['mutual.example', 'DNS:client.example', 'is verified by "<name>-cacert", and shown the certificate of the Secret'],
  ['skip.example', 'DNS:client.example', 'is not verified where the rule says so'],
  ['wrong.example', '503', 'is not believed when others vouch for it'],
  ['foreign.example', '503', 'is not believed by a Secret of another namespace'],
  ['absent.example', '503', 'is not believed while the Secret is missing'],
  ['served.example', 'nobody', 'is verified by a Secret that a server of the gateway has too'],
])('%s answers %s: it %s', async (host, expected) => {
  expect(await ask(host)).toBe(expected)
})

test('a missing Secret hinders nobody else, and Secrets are followed', async () => {
  expect(before.plain).toContain('"app":"plain"')
  expect(before.simple).toBe('503')
  expect(refused).toEqual([])
  await stage.changeCredentials(new Map([['default/pair', null]]))
  await eventually('a key that is gone is shown no more', async () => (await ask('mutual.example')) === '503')
  expect(await ask('skip.example')).toBe('nobody')
  expect(await ask('simple.example')).toBe('nobody')
  await stage.changeCredentials(new Map([['default/served', null]]))
  await eventually(
    'who is verified by what is gone is not believed, whoever else has it',
    async () => (await ask('served.example')) === '503',
  )
})
