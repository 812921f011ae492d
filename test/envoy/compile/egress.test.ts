import { createServer } from 'node:http'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { issueLeaf, toAgentNames } from '#agent/identity/issue-leaf.ts'
import { domain, east } from '#test/agent/test-pki.ts'
import { clientAddress, exchange, get, Theatre } from './theatre.ts'

let theatre: Theatre
let folder: string
let http: number
let tls: number

const entry = (name: string, spec: string) => `
  - apiVersion: networking.istio.io/v1
    kind: ServiceEntry
    metadata: {name: ${name}, namespace: default}
    spec: ${spec}`

const toScene = () => {
  const port = '{number: 80, name: http, protocol: HTTP}'
  const itself = `{number: ${http}, name: http, protocol: HTTP}`
  const at = (address: string) => `endpoints: [{address: ${address}, ports: {http: ${http}}}]`
  return `
about: ''
settings: {meshConfig: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}}
services: []
workloads:
  client-1: {address: ${clientAddress}}
config:
${entry('static', `{hosts: [static.example, also.example], ports: [${port}], resolution: STATIC, ${at('127.0.0.1')}}`)}
${entry('target', `{hosts: [target.example], ports: [{number: 80, name: http, protocol: HTTP, targetPort: ${http}}], resolution: STATIC, endpoints: [{address: 127.0.0.1}]}`)}
${entry('socket', `{hosts: [socket.example], ports: [${port}], resolution: STATIC, endpoints: [{address: 'unix://${folder}/app.sock'}]}`)}
${entry('wildcard', `{hosts: ['*.wild.example'], ports: [${port}], resolution: STATIC, ${at('127.0.0.1')}}`)}
${entry('dns', `{hosts: [dns.example], ports: [${port}], resolution: DNS, ${at('localhost')}}`)}
${entry('own', `{hosts: [localhost], ports: [${itself}], resolution: DNS}`)}
${entry('target-of-name', `{hosts: [name.localhost], ports: [{number: 80, name: http, protocol: HTTP, targetPort: ${http}}], resolution: DNS}`)}
${entry('round-robin', `{hosts: [rr.example], ports: [${port}], resolution: DNS_ROUND_ROBIN, ${at('localhost')}}`)}
${entry('dns-wildcard', `{hosts: ['*.wild-dns.example'], ports: [${port}], resolution: DNS, ${at('localhost')}}`)}
${entry('none', `{hosts: ['*.none.localhost', just.localhost], ports: [${itself}], resolution: NONE}`)}
${entry('dynamic', `{hosts: ['*.dynamic.localhost'], ports: [${itself}, {number: ${tls}, name: tls, protocol: TLS}], resolution: DYNAMIC_DNS}`)}
${entry('hidden', `{hosts: [hidden.example], ports: [${port}], resolution: STATIC, exportTo: [elsewhere], ${at('127.0.0.1')}}`)}
  - apiVersion: networking.istio.io/v1
    kind: Sidecar
    metadata: {name: client, namespace: default}
    spec:
      egress:
        - {port: {number: ${tls}, protocol: TLS, name: tls}, hosts: ['./*']}
        - {hosts: ['*/*']}
proxies: [sidecar/default/client-1]
`
}

beforeAll(async () => {
  theatre = await Theatre.open()
  folder = await mkdtemp(join(tmpdir(), 'atoll-egress-'))
  http = (await theatre.startApp('tcp')).port
  const socket = createServer((_, response) => response.end('{"app":"socket"}'))
  socket.listen(join(folder, 'app.sock'))
  await once(socket, 'listening')
  const { chainPem, privateKeyPem } = await issueLeaf(theatre.east.intermediate, toAgentNames(east, domain), Date.now())
  tls = await theatre.listen(createTlsServer({ cert: chainPem, key: privateKeyPem }, (each) => void each.end('secret')))
  await theatre.start(toScene())
})
afterAll(async () => {
  await theatre.clear()
  await rm(folder, { recursive: true, force: true })
})

test.each([
  ['static.example', 'STATIC'],
  ['also.example', 'STATIC, its other host'],
  ['target.example', 'STATIC, by targetPort'],
  ['a.b.wild.example', 'STATIC, a wildcard with endpoints'],
  ['dns.example', 'DNS, of an endpoint'],
  ['name.localhost', 'DNS, of the host itself, by targetPort'],
  ['any.wild-dns.example', 'DNS, a wildcard with endpoints'],
  ['rr.example', 'DNS_ROUND_ROBIN'],
  ['localhost:$http', 'DNS, of the host itself'],
  ['a.none.localhost:$http', 'NONE, a wildcard, through the HTTP proxy'],
  ['just.localhost:$http', 'NONE, a host, through the HTTP proxy'],
  ['a.dynamic.localhost:$http', 'DYNAMIC_DNS'],
])('http://%s is reached: %s', async (authority) => {
  const host = authority.replace('$http', String(http))
  const { status, body } = await get(`http://${host}/`)
  expect({ status, body }).toMatchObject({ status: 200 })
  expect(JSON.parse(body)).toMatchObject({ app: 'tcp', headers: { host } })
})

test('http://socket.example is reached: STATIC, a Unix domain socket', async () => {
  expect(await get('http://socket.example/')).toMatchObject({ status: 200, body: '{"app":"socket"}' })
})

test.each([
  ['hidden.example', 'it is exported to others'],
  ['unknown.example', 'REGISTRY_ONLY'],
  ['wild.example', 'the wildcard means what is below'],
  ['static.example:81', 'it has no such port'],
])('http://%s is not: %s', async (authority) => {
  expect(await get(`http://${authority}/`)).toMatchObject({ status: 502 })
})

test.each([
  ['a.dynamic.localhost', 'secret'],
  ['b.c.dynamic.localhost', 'secret'],
  ['dynamic.localhost', ''],
])('TLS for %s is passed on to whom it names: "%s"', async (servername, expected) => {
  const socket = connectTls({ host: clientAddress, port: tls, servername, rejectUnauthorized: false })
  socket.on('error', () => {}) // closed before any TLS
  expect(await exchange(socket, '')).toBe(expected)
})
