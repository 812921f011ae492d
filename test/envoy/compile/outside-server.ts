import 'reflect-metadata'
import { createServer, type TLSSocket } from 'node:tls'
import { ExtendedKeyUsage } from '@peculiar/x509'
import { parseCredential, secretObject } from '#agent/credentials/parse-credential.ts'
import { issueLeaf } from '#agent/identity/issue-leaf.ts'
import { createIntermediate, east, TestRoot } from '#test/agent/test-pki.ts'
import { clientAddress, type Theatre } from './theatre.ts'

/** Somebody outside of the mesh: a server of some hosts whose root nobody else has, and who issues its clients their certificates. */
export const startOutsideServer = async (theatre: Theatre, hosts: readonly string[]) => {
  const root = await TestRoot.create(Date.now(), 'outside')
  const issuer = await createIntermediate(root, east, { permitted: [{ dns: 'example' }] })
  const issue = (dnsNames: readonly string[], usage: ExtendedKeyUsage) =>
    issueLeaf(issuer, { dnsNames: [...dnsNames], usages: [usage] }, Date.now())
  const leaf = await issue(hosts, ExtendedKeyUsage.serverAuth)
  const served = {
    cert: leaf.chainPem,
    key: leaf.privateKeyPem,
    ca: root.pem,
    requestCert: true,
    rejectUnauthorized: false,
  }
  const port = await theatre.listen(
    createServer(served, (socket) => {
      socket.on('error', () => {})
      socket.once('data', () => socket.end(toAnswer(toClientName(socket) ?? '')))
    }),
  )
  return {
    port,
    rootPem: root.pem,
    chainPem: leaf.chainPem,
    issueClient: (name: string) => issue([name], ExtendedKeyUsage.clientAuth),
  }
}

/** What a Secret with these texts says. */
export const toSecret = (stringData: Readonly<Record<string, string>>) =>
  parseCredential(secretObject.parse({ kind: 'Secret', metadata: { name: 'any' }, stringData }))

const toAnswer = (body: string): string =>
  `HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`

/** Whom its root vouches for; "nobody". */
const toClientName = (socket: TLSSocket): string | undefined =>
  socket.authorized ? socket.getPeerCertificate().subjectaltname : 'nobody'

/** YAML of a scene: the hosts as services outside of the mesh, each at a port here. */
export const toOutsideServices = (ports: readonly (readonly [host: string, port: number])[]): string =>
  ports
    .map(
      ([host, number]) =>
        `  - {host: ${host}, ports: [http:80], fields: {location: mesh-external}, endpoints: {a: {address: 127.0.0.1, tls: none, ports: {http: ${number}}}}}`,
    )
    .join('\n')

/** YAML of a scene: a sidecar that calls outside.example, which is at a port here, by TLS as the rule says. */
export const toOriginatingScene = (port: number, tls: string): string => `
about: ''
services:
  - host: outside.example
    ports: [http:80]
    fields: {location: mesh-external}
    endpoints: {a: {address: 127.0.0.1, ports: {http: ${port}}, tls: none}}
workloads:
  client-1: {address: ${clientAddress}}
config:
  - apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: outside, namespace: default}
    spec: {host: outside.example, trafficPolicy: {tls: ${tls}}}
proxies: [sidecar/default/client-1]
`
