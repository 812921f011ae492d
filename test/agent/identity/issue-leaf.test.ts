import { X509Certificate } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { issueLeaf, toAgentNames, toWorkloadNames, type LeafNames } from '#agent/identity/issue-leaf.ts'
import { run } from '#test/harness/child.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { createIntermediate, domain, east, TestRoot, type TestIntermediate } from '../test-pki.ts'

const hour = 60 * 60_000
const now = Date.now()
const identity = { namespace: 'shop', serviceAccount: 'reviews' }

let root: TestRoot
let intermediate: TestIntermediate
beforeAll(async () => {
  root = await TestRoot.create(now)
  intermediate = await createIntermediate(root, east)
})

const namesOf = (
  serviceAccount: string,
  namespace = 'shop',
  units: readonly string[] = ['workload:reviews-v1'],
): LeafNames => {
  const names = toWorkloadNames({ namespace, serviceAccount }, east, domain, units)
  if ('problem' in names) throw new Error(names.problem)
  return names
}

test('a leaf carries the SPIFFE ID and both DNS names, for a day, backdated, with its issuer behind it', async () => {
  const leaf = await issueLeaf(intermediate, namesOf('reviews'), now)
  const certificate = new X509Certificate(leaf.chainPem)
  expect(certificate.subjectAltName).toBe(
    'URI:spiffe://td.example/ns/shop/sa/reviews, DNS:east.clusters.td.example, DNS:reviews.shop.east.clusters.td.example',
  )
  expect(certificate.ca).toBe(false)
  expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
  const toSecond = (time: number) => Math.floor(time / 1000) * 1000
  expect(Date.parse(certificate.validFrom)).toBe(toSecond(now - hour))
  expect(Date.parse(certificate.validTo)).toBe(toSecond(now + 24 * hour))
  expect(certificate.checkIssued(new X509Certificate(intermediate.pem))).toBe(true)
  expect(leaf.chainPem.match(/BEGIN CERTIFICATE/g)).toHaveLength(2)
  expect(leaf.privateKeyPem).toMatch(/^-----BEGIN PRIVATE KEY-----/)
})

test('a leaf does not outlive its issuer, nor is it older', async () => {
  const short = await createIntermediate(root, east, { notBefore: now - 60_000, notAfter: now + hour })
  const leaf = await issueLeaf(short, namesOf('reviews'), now)
  expect(leaf.notAfter).toBe(short.certificate.notAfter.getTime())
  expect(Date.parse(new X509Certificate(leaf.chainPem).validFrom)).toBe(short.certificate.notBefore.getTime())
})

test('the agent’s certificate is for its name, and not for clients', async () => {
  const leaf = await issueLeaf(intermediate, toAgentNames(east, domain), now)
  const certificate = new X509Certificate(leaf.chainPem)
  expect(certificate.subjectAltName).toBe('DNS:xds._agent.east.clusters.td.example')
  expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1'])
})

test.each([
  ['a label of more than 63 characters', 'a'.repeat(64)],
  ['a name of more than 253', Array.from({ length: 5 }, () => 'a'.repeat(60)).join('.')],
])('%s can’t have a certificate, and is told so', (_, serviceAccount) => {
  expect(toWorkloadNames({ ...identity, serviceAccount }, east, domain)).toMatchObject({
    problem: /253 characters at most/,
  })
})

test.each([
  ['a workload', () => namesOf('reviews'), ['-purpose', 'sslclient']],
  [
    'an account with dots in its name',
    () => namesOf('a.b.c'),
    ['-verify_hostname', 'a.b.c.shop.east.clusters.td.example'],
  ],
  ['a workload of a long name', () => namesOf('reviews', 'shop', [`workload:${'a'.repeat(253)}`]), []],
  ['the agent', () => toAgentNames(east, domain), ['-purpose', 'sslserver']],
])('openssl verifies the chain of %s', async (_, toNames, args) => {
  const directory = temporaryDirectory()
  const [leaf = '', issuer = ''] = (await issueLeaf(intermediate, toNames(), now)).chainPem.split(
    /(?<=END CERTIFICATE-----\n)/,
  )
  for (const [name, pem] of Object.entries({ root: root.pem, issuer, leaf }))
    await writeFile(join(directory, name), pem)
  const { output } = await run({
    name: 'openssl',
    command: 'openssl',
    args: ['verify', '-x509_strict', ...args, '-CAfile', 'root', '-untrusted', 'issuer', 'leaf'],
    cwd: directory,
  })
  expect(output).toBe('leaf: OK')
})

test('openssl refuses a name outside of the issuer’s constraints', async () => {
  const directory = temporaryDirectory()
  const forged = { ...namesOf('reviews'), dnsNames: ['west.clusters.td.example'] }
  const { chainPem } = await issueLeaf(intermediate, forged, now)
  for (const [name, pem] of Object.entries({ root: root.pem, chain: chainPem }))
    await writeFile(join(directory, name), pem)
  const { code, output } = await run({
    name: 'openssl',
    command: 'openssl',
    args: ['verify', '-CAfile', 'root', '-untrusted', 'chain', 'chain'],
    cwd: directory,
  })
  expect(code).not.toBe(0)
  expect(output).toMatch(/permitted subtree violation/)
})
