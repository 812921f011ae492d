import 'reflect-metadata'
import { ExtendedKeyUsage, X509CertificateGenerator, X509CrlGenerator } from '@peculiar/x509'
import { beforeAll, expect, test } from 'vitest'
import { parseCredential, secretObject } from '#agent/credentials/parse-credential.ts'
import { issueLeaf, type Leaf } from '#agent/identity/issue-leaf.ts'
import { createIntermediate, east, TestRoot } from '#test/agent/test-pki.ts'

let leaf: Leaf
let root: TestRoot
let list: string
beforeAll(async () => {
  root = await TestRoot.create(Date.now())
  const issuer = await createIntermediate(root, east)
  leaf = await issueLeaf(issuer, { dnsNames: ['a.example'], usages: [ExtendedKeyUsage.serverAuth] }, Date.now())
  const { privateKey: signingKey } = issuer
  const signingAlgorithm = { name: 'ECDSA', hash: 'SHA-256' }
  const pem = (await X509CrlGenerator.create({ issuer: 'CN=a', signingKey, signingAlgorithm })).toString('pem')
  list = pem.replaceAll(' CRL-', ' X509 CRL-') // RFC 7468
})

/** A certificate that says of itself that it is right. */
const rsa = async (modulusLength: number) => {
  const algorithm = {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    modulusLength,
    publicExponent: new Uint8Array([1, 0, 1]),
  }
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const certificate = await X509CertificateGenerator.createSelfSigned({ name: 'CN=a', keys })
  const key = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  return {
    cert: certificate.toString('pem'),
    key: `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n`,
  }
}

const parse = (values: Readonly<Record<string, string>>): string => {
  const parsed = parseCredential(secretObject.parse({ kind: 'Secret', metadata: { name: 'any' }, stringData: values }))
  return parsed.ok ? 'taken' : parsed.error
}
const brokenBlock = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
const unreadable = 'its certificate or key can not be read'
const weak = 'its key is none that proxies take: RSA of 2048 bits or more, or ECDSA'

test.each<[string, () => Promise<Record<string, string>> | Record<string, string>, string]>([
  ['a chain', () => ({ cert: leaf.chainPem, key: leaf.privateKeyPem }), 'taken'],
  ['a chain with comments', () => ({ cert: `of a\n${leaf.chainPem}# end\n`, key: leaf.privateKeyPem }), 'taken'],
  ['a broken issuer', () => ({ cert: leaf.chainPem + brokenBlock, key: leaf.privateKeyPem }), unreadable],
  [
    'an issuer cut off',
    () => ({ cert: `${leaf.chainPem}-----BEGIN CERTIFICATE-----\nMII`, key: leaf.privateKeyPem }),
    unreadable,
  ],
  ['RSA of 2048 bits', () => rsa(2048), 'taken'],
  ['RSA of 1024 bits', () => rsa(1024), weak],
  ['authorities', () => ({ cacert: root.pem + root.pem }), 'taken'],
  ['a broken authority behind one', () => ({ cacert: root.pem + brokenBlock }), 'its authority can not be read'],
  ['a revocation list', () => ({ cacert: root.pem, crl: list }), 'taken'],
  [
    'a broken revocation list',
    () => ({ cacert: root.pem, crl: 'list' }),
    'its list of what is revoked can not be read',
  ],
])('%s', async (_, values, expected) => {
  expect(parse(await values())).toBe(expected)
})
