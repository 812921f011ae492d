import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { parsePeerSubject, type PeerFacts } from '#mesh/telemetry/peer-facts.ts'
import { eventually } from '#test/harness/child.ts'
import { ask, clientAddress, gatewayAddress, getEcho, serverAddress, Theatre } from './theatre.ts'

let theatre: Theatre
beforeAll(async () => {
  theatre = await Theatre.open()
})
afterEach(() => theatre.clear())

const callerFacts: PeerFacts = {
  workload: 'front',
  canonicalService: 'front',
  canonicalRevision: 'latest',
  app: 'front',
  version: 'unknown',
}
const calledFacts: PeerFacts = {
  workload: 'reviews-v2',
  canonicalService: 'reviews',
  canonicalRevision: 'v2',
  app: 'reviews',
  version: 'v2',
}

/** A log of which proxy, of what, and what the certificates of both sides say. */
const settings = (log: string) =>
  `settings: {meshConfig: {accessLogFile: ${log}, accessLogFormat: "%RESPONSE_CODE%|%DOWNSTREAM_PEER_SUBJECT%|%UPSTREAM_PEER_SUBJECT%\\n"}}`

const linesOf = async (log: string) => {
  const text = await readFile(log, 'utf8').catch(() => '')
  return text.split('\n').flatMap((line) => {
    const [code = '', downstream = '', upstream = ''] = line.split('|')
    return line === '' ? [] : [{ code, caller: parsePeerSubject(downstream), called: parsePeerSubject(upstream) }]
  })
}

test('each side is told what the other one is, of HTTP and of TCP, also through the gateway of another network', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'atoll-facts-'))
  theatre.onClear(() => rm(folder, { recursive: true, force: true }))
  const app = await theatre.startApp('reviews')
  const echo = await theatre.listen(createServer((socket) => socket.on('error', () => {}).pipe(socket)))
  const logs = { west: join(folder, 'west'), east: join(folder, 'east') }
  await theatre.start(
    `
about: ''
${settings(logs.west)}
clusters:
  west: {network: network-2}
services:
  - host: reviews
    ports: [http:80, tcp:81]
    endpoints:
      server-1: {cluster: west, network: network-2, address: ${serverAddress}, ports: {http: ${app.port}, tcp: ${echo}}}
workloads:
  server-1: {address: ${serverAddress}, network: network-2, controller: reviews-v2, labels: {app: reviews, version: v2}}
  gateway-1: {address: ${gatewayAddress}, network: network-2, ports: {tls: 15443}}
proxies: [sidecar/default/server-1, east-west-gateway/default/gateway-1]
`,
    { member: theatre.west },
  )
  await theatre.start(`
about: ''
${settings(logs.east)}
clusters:
  west: {network: network-2, gateways: [{address: ${gatewayAddress}, port: 15443}]}
services:
  - host: reviews
    ports: [http:80, tcp:81]
    remote: {west: [{weight: 1, ports: [http, tcp], serviceAccounts: [default]}]}
workloads:
  client-1: {address: ${clientAddress}, controller: front, labels: {app: front}}
config:
  - apiVersion: networking.istio.io/v1
    kind: Sidecar
    metadata: {name: default, namespace: default}
    spec: {egress: [{port: {number: 81, protocol: TCP, name: tcp}, hosts: [./*]}, {hosts: [./*]}]}
proxies: [sidecar/default/client-1]
`)
  expect(await getEcho('http://reviews/')).toMatchObject({ app: 'reviews' })
  const socket = await theatre.dial(clientAddress, 81)
  expect(await ask(socket, 'hello')).toBe('hello')
  socket.end()

  for (const code of ['200', '0']) {
    await eventually(`the client's proxy has logged a ${code}`, async () =>
      (await linesOf(logs.east)).some(
        (line) => line.code === code && !line.caller && line.called?.workload === calledFacts.workload,
      ),
    )
    await eventually(`the server's proxy has logged a ${code}`, async () =>
      (await linesOf(logs.west)).some(
        (line) => line.code === code && line.caller?.workload === callerFacts.workload && !line.called,
      ),
    )
  }
  expect((await linesOf(logs.east)).map(({ called }) => called)).toEqual([calledFacts, calledFacts])
  expect((await linesOf(logs.west)).flatMap(({ caller }) => caller ?? [])).toEqual([callerFacts, callerFacts])
})
