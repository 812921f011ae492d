import 'reflect-metadata'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer, type TlsOptions } from 'node:tls'
import { ExtendedKeyUsage } from '@peculiar/x509'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { issueLeaf } from '#agent/identity/issue-leaf.ts'
import { createIntermediate, east } from '#test/agent/test-pki.ts'
import { eventually } from '#test/harness/child.ts'
import { toOriginatingScene } from './outside-server.ts'
import { get, Theatre } from './theatre.ts'

let theatre: Theatre
let certificates: string
beforeAll(async () => {
  theatre = await Theatre.open()
  certificates = await mkdtemp(join(tmpdir(), 'atoll-ca-'))
  await writeFile(join(certificates, 'ca.pem'), theatre.root.pem)
})
afterEach(() => theatre.clear())
afterAll(() => rm(certificates, { recursive: true, force: true }))

/** A server of TLS 1.3 that shows a certificate for a name under the test's root, and may want one of the client. */
const startServer = async (name: string, clientRoot?: string, options: TlsOptions = {}): Promise<number> => {
  const issuer = await createIntermediate(theatre.root, east, { permitted: [{ dns: 'example' }] })
  const { chainPem, privateKeyPem } = await issueLeaf(
    issuer,
    { dnsNames: [name], usages: [ExtendedKeyUsage.serverAuth] },
    Date.now(),
  )
  const answer = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'
  return theatre.listen(
    createServer(
      {
        cert: chainPem,
        key: privateKeyPem,
        minVersion: 'TLSv1.3',
        ...(clientRoot !== undefined && { requestCert: true, ca: clientRoot }),
        ...options,
      },
      (socket) => {
        socket.on('error', () => {})
        socket.once('data', () => socket.end(answer))
      },
    ),
  )
}

test.each([
  [200, 'outside.example', 'the CA', '{mode: SIMPLE, caCertificates: $certificates/ca.pem}'],
  [503, 'other.example', 'the CA', '{mode: SIMPLE, caCertificates: $certificates/ca.pem}'],
  [
    200,
    'other.example',
    'the CA and that name as SNI',
    '{mode: SIMPLE, sni: other.example, caCertificates: $certificates/ca.pem}',
  ],
  [
    200,
    'other.example',
    'the CA and that name listed',
    '{mode: SIMPLE, subjectAltNames: [other.example], caCertificates: $certificates/ca.pem}',
  ],
  [503, 'outside.example', 'only the CAs of the machine', '{mode: SIMPLE}'],
  [200, 'other.example', 'nobody to verify', '{mode: SIMPLE, insecureSkipVerify: true}'],
  [503, 'outside.example', 'a Secret, which sidecars have not', '{mode: SIMPLE, credentialName: outside}'],
])(
  'a request is answered %i by a server with a certificate for %s, where the rule has %s',
  async (status, name, _what, tls) => {
    await theatre.start(toOriginatingScene(await startServer(name), tls), { certificates })
    expect(await get('http://outside.example/')).toMatchObject({ status })
  },
)

test.each([
  [
    200,
    'with',
    '{mode: MUTUAL, clientCertificate: $certificates/cert.pem, privateKey: $certificates/key.pem, caCertificates: $certificates/ca.pem}',
  ],
  [503, 'without', '{mode: SIMPLE, caCertificates: $certificates/ca.pem}'],
])('a server that wants a certificate of its client answers %i to one %s', async (status, _, tls) => {
  const { chainPem, privateKeyPem } = await issueLeaf(
    await createIntermediate(theatre.root, east, { permitted: [{ dns: 'example' }] }),
    { dnsNames: ['client.example'], usages: [ExtendedKeyUsage.clientAuth] },
    Date.now(),
  )
  await writeFile(join(certificates, 'cert.pem'), chainPem)
  await writeFile(join(certificates, 'key.pem'), privateKeyPem)
  await theatre.start(toOriginatingScene(await startServer('outside.example', theatre.root.pem), tls), { certificates })
  expect(await get('http://outside.example/')).toMatchObject({ status })
})

test.each<[string, TlsOptions, object, object]>([
  ['curves', { ecdhCurve: 'P-384' }, { ecdhCurves: ['P-384'] }, { ecdhCurves: ['P-256'] }],
  [
    'cipher suites',
    { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' },
    { cipherSuites: ['ECDHE-ECDSA-AES256-GCM-SHA384'] },
    { cipherSuites: ['ECDHE-ECDSA-AES128-GCM-SHA256'] },
  ],
])("%s are those of the mesh's settings", async (_, options, fit, unfit) => {
  const port = await startServer('outside.example', undefined, options)
  const tls = '{mode: SIMPLE, caCertificates: $certificates/ca.pem}'
  const stage = await theatre.start(toOriginatingScene(port, tls), { certificates })
  const untilAnswered = async (tlsDefaults: object, status: number) => {
    expect(await stage.changeSettings({ meshConfig: { tlsDefaults } })).toEqual([])
    await eventually(`it is answered ${status}`, async () => (await get('http://outside.example/')).status === status)
  }
  await untilAnswered(fit, 200)
  await untilAnswered(unfit, 503)
  await untilAnswered(fit, 200)
})

test.each([
  ['missing', 'nowhere.pem'],
  ['broken', 'garbage.pem'],
])('%s files of one rule are told as refused, and keep nobody from what other rules are for', async (_, file) => {
  await writeFile(join(certificates, 'garbage.pem'), '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
  const port = await startServer('outside.example')
  const faulty = `services:
  - host: faulty.example
    ports: [http:80]
    fields: {location: mesh-external}
    endpoints: {b: {address: 127.0.0.1, ports: {http: ${port}}, tls: none}}`
  const rule = `config:
  - apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: faulty, namespace: default}
    spec: {host: faulty.example, trafficPolicy: {tls: {mode: SIMPLE, caCertificates: $certificates/${file}}}}`
  const good = toOriginatingScene(port, '{mode: SIMPLE, caCertificates: $certificates/ca.pem}')
  const both = good.replace('services:', faulty).replace('config:', rule)
  const stage = await theatre.startFaulty(both, { certificates })
  expect(await stage.untilDelivered()).toEqual([
    expect.stringMatching(/outbound\|80\|\|faulty\.example: .*(?:nowhere\.pem|CA)/),
  ])
  expect(await get('http://outside.example/')).toMatchObject({ status: 200 })
  expect((await get('http://faulty.example/')).status).not.toBe(200)
})
