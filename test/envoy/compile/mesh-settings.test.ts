import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { connect as connectTls } from 'node:tls'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { issueLeaf, toWorkloadNames } from '#agent/identity/issue-leaf.ts'
import { domain, east } from '#test/agent/test-pki.ts'
import { eventually } from '#test/harness/child.ts'
import type { Stage } from './stage.ts'
import { clientAddress, exchange, get, proxyPort, serverAddress, Theatre } from './theatre.ts'

let theatre: Theatre
let folder: string
beforeAll(async () => {
  theatre = await Theatre.open()
  folder = await mkdtemp(join(tmpdir(), 'atoll-settings-'))
})
afterEach(() => theatre.clear())
afterAll(() => rm(folder, { recursive: true }))

/** A client and the server of `reviews` with their sidecars, and the same service in another cluster of this network. */
const scene = (port: number) => `
about: ''
clusters:
  west: {network: network-1}
services:
  - host: reviews
    ports: [http:80]
    endpoints:
      server-1: {ports: {http: ${port}}, address: ${serverAddress}}
      elsewhere: {ports: {http: 1}, address: ${serverAddress}, cluster: west}
workloads:
  client-1: {address: ${clientAddress}}
  server-1: {address: ${serverAddress}}
proxies: [sidecar/default/client-1, sidecar/default/server-1]
`
const configure = async (stage: Stage, meshConfig: Record<string, unknown>) => {
  expect(await stage.changeSettings({ meshConfig })).toEqual([])
}
const clusterLocal = { serviceSettings: [{ settings: { clusterLocal: true }, hosts: ['*.default.svc.cluster.local'] }] }

test("a mesh's settings hold for all of its proxies", async () => {
  const app = await theatre.startApp('reviews')
  const stage = await theatre.start(scene(app.port))

  // serviceSettings: nobody is sent to another cluster, where a connection would be refused.
  await configure(stage, clusterLocal)
  for (let count = 0; count < 20; count++) expect((await get('http://reviews/')).status).toBe(200)
  const members = await stage.statistics(/outbound\|80\|\|reviews.*membership_total/)
  expect(members.map((line) => line.split(': ')[1])).toEqual(['1', '1'])

  // pathNormalization
  const pathOf = async (path: string) => {
    const socket = await theatre.dial(clientAddress, proxyPort)
    const answer = await exchange(socket, `GET ${path} HTTP/1.1\r\nhost: reviews\r\nconnection: close\r\n\r\n`)
    return /"path":"([^"]*)"/.exec(answer)?.[1] ?? answer
  }
  // A listener is in place a moment after it was acknowledged.
  const untilPath = (path: string, expected: string) =>
    eventually(`${path} comes as ${expected}`, async () => (await pathOf(path)) === expected)
  await untilPath('/a/./b//c%2Fd', '/a/b//c%2Fd')
  await configure(stage, { ...clusterLocal, pathNormalization: { normalization: 'NONE' } })
  await untilPath('/a//b/./c', '/a//b/./c')
  await configure(stage, { ...clusterLocal, pathNormalization: { normalization: 'DECODE_AND_MERGE_SLASHES' } })
  await untilPath('/a/./b//c%2Fd', '/a/b/c/d')

  // accessLogFile, accessLogFormat, accessLogEncoding: both proxies write. Connections of before are not logged.
  const untilLogged = (name: string, isRight: (line: string) => boolean) =>
    eventually(`two lines of ${name}`, async () => {
      await pathOf('/logged')
      const text = await readFile(join(folder, name), 'utf8').catch(() => '')
      return (
        new Set(
          text
            .split('\n')
            .filter(isRight)
            .map((line) => /inbound|outbound/.exec(line)?.[0]),
        ).size === 2
      )
    })
  await configure(stage, {
    ...clusterLocal,
    accessLogFile: join(folder, 'text'),
    accessLogFormat: '%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% %UPSTREAM_CLUSTER_RAW%',
  })
  await untilLogged('text', (line) => /^GET \/logged 200 (inbound\|\d+\|\||outbound\|80\|\|reviews\..*)$/.test(line))
  await configure(stage, { ...clusterLocal, accessLogFile: join(folder, 'json'), accessLogEncoding: 'JSON' })
  await untilLogged('json', (line) => {
    const { method, path, response_code: code } = (line === '' ? {} : JSON.parse(line)) as Record<string, unknown>
    return method === 'GET' && path === '/logged' && code === 200
  })
  await configure(stage, { ...clusterLocal, accessLogFile: join(folder, 'default') })
  await untilLogged('default', (line) =>
    /^\[[^\]]+\] "GET \/logged HTTP\/1\.1" 200 - via_upstream - "-" 0 \d+ \d+ /.test(line),
  )

  // meshMTLS.minProtocolVersion
  const names = toWorkloadNames({ namespace: 'default', serviceAccount: 'default' }, east, domain)
  if ('problem' in names) throw new Error(names.problem)
  const leaf = await issueLeaf(theatre.east.intermediate, names, Date.now())
  const handshake = (ciphers = 'ALL') =>
    new Promise<string>((resolve) => {
      const socket = connectTls({
        host: serverAddress,
        port: app.port,
        maxVersion: 'TLSv1.2',
        ciphers,
        cert: leaf.chainPem,
        key: leaf.privateKeyPem,
        rejectUnauthorized: false,
      })
      socket.on('secureConnect', () => resolve('connected'))
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
      socket.on('close', () => resolve('closed'))
    })
  expect(await handshake()).toBe('connected')
  await configure(stage, { ...clusterLocal, meshMTLS: { minProtocolVersion: 'TLSV1_3' } })
  expect(await handshake()).toBe('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION')
  expect((await get('http://reviews/')).status).toBe(200)

  // meshMTLS.cipherSuites, of TLS 1.2
  const [only, other] = ['ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-AES128-GCM-SHA256'] as const
  await configure(stage, clusterLocal)
  await eventually('every suite is taken', async () => (await handshake(other)) === 'connected')
  await configure(stage, { ...clusterLocal, meshMTLS: { cipherSuites: [only] } })
  await eventually('the other suite is refused', async () => (await handshake(other)) !== 'connected')
  expect(await handshake(only)).toBe('connected')
  expect((await get('http://reviews/')).status).toBe(200)
})

test("objects that do not say whom they are for are for the mesh's defaults", async () => {
  const { port } = await theatre.startApp('app')
  const fixed = (name: string) => `{directResponse: {status: 200, body: {string: ${name}}}}`
  const object = (kind: string, name: string, spec: string) => `
  - {apiVersion: networking.istio.io/v1, kind: ${kind}, metadata: {name: ${name}, namespace: other}, spec: ${spec}}`
  const stage = await theatre.start(`
about: ''
services:
  - {host: untold, namespace: other, ports: [http:80], endpoints: &endpoints {a: {address: 127.0.0.1, ports: {http: ${port}}, tls: none}}, fields: {isExportedByDefault: true}}
  - {host: told, namespace: other, ports: [http:80], endpoints: *endpoints}
  - {host: ruled, namespace: other, ports: [http:80], endpoints: *endpoints}
  - {host: routed, ports: [http:80], endpoints: *endpoints}
  - {host: delegating, ports: [http:80], endpoints: *endpoints}
workloads:
  client-1: {address: ${clientAddress}}
config:${object('DestinationRule', 'ruled', '{host: ruled, trafficPolicy: {tls: {mode: SIMPLE}}}')}${object('VirtualService', 'routed', `{hosts: [routed.default.svc.cluster.local], http: [${fixed('other')}]}`)}${object('VirtualService', 'leaf', `{http: [${fixed('leaf')}]}`)}
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: root, namespace: default}
    spec: {hosts: [delegating], exportTo: [.], http: [{match: [{uri: {prefix: /}}], delegate: {name: leaf, namespace: other}}, ${fixed('root')}]}
proxies: [sidecar/default/client-1]
`)
  const answers = async (): Promise<Record<string, unknown>> => {
    const ask = async (host: string) => {
      const { status, body } = await get(`http://${host}/`)
      return status === 200 && !body.startsWith('{') ? body : status
    }
    const [untold, told, ruled] = ['untold', 'told', 'ruled'].map((name) => ask(`${name}.other.svc.cluster.local`))
    return {
      untold: await untold,
      told: await told,
      ruled: await ruled,
      routed: await ask('routed'),
      delegating: await ask('delegating'),
    }
  }
  const become = async (expected: Record<string, unknown>) => {
    const found = await eventually(`answers ${JSON.stringify(expected)}`, async () => {
      const now = await answers()
      return Object.entries(expected).every(([name, value]) => now[name] === value) && now
    })
    expect(found).toEqual(expected)
  }
  const registryOnly = { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } }
  const everywhere = { untold: 200, told: 200, ruled: 503, routed: 'other', delegating: 'leaf' }
  const atHome = { untold: 502, told: 200, ruled: 200, routed: 200, delegating: 'root' }
  const toDefaults = (exportTo: string[]) => ({
    ...registryOnly,
    defaultServiceExportTo: exportTo,
    defaultVirtualServiceExportTo: exportTo,
    defaultDestinationRuleExportTo: exportTo,
  })
  await configure(stage, registryOnly)
  await become(everywhere)
  await configure(stage, toDefaults(['.']))
  await become(atHome)
  await configure(stage, toDefaults(['default']))
  await become(everywhere)
  // "~": its own namespace may not call it either.
  await configure(stage, { ...registryOnly, defaultServiceExportTo: ['~'] })
  await become({ ...everywhere, untold: 502 })
})
