import 'reflect-metadata'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ExtendedKeyUsage } from '@peculiar/x509'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '#agent/clock.ts'
import { DirectoryCredentials } from '#agent/credentials/directory-credentials.ts'
import { issueLeaf } from '#agent/identity/issue-leaf.ts'
import { createIntermediate, east, TestRoot } from '#test/agent/test-pki.ts'
import { eventually } from '#test/harness/child.ts'

let directory: string
let credentials: DirectoryCredentials
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'atoll-credentials-'))
  credentials = new DirectoryCredentials({ directory, clock: systemClock })
})
afterEach(async () => {
  await credentials.stop()
  await rm(directory, { recursive: true, force: true })
})

const secret = (name: string, data: object, field = 'data') =>
  JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: 'shop' }, [field]: data })

test('Secrets of a directory by the keys of Kubernetes and of Istio; what is wrong is told without what they say', async () => {
  const root = await TestRoot.create(Date.now())
  const issuer = await createIntermediate(root, east)
  const names = { dnsNames: ['a.example'], usages: [ExtendedKeyUsage.serverAuth] }
  const { chainPem, privateKeyPem } = await issueLeaf(issuer, names, Date.now())
  const encoded = (text: string) => Buffer.from(text).toString('base64')
  const seen = new Map<string, unknown>()
  await writeFile(
    join(directory, 'all.yaml'),
    [
      secret('kubernetes', {
        'tls.crt': encoded(chainPem),
        'tls.key': encoded(privateKeyPem),
        'ca.crt': encoded(root.pem),
      }),
      secret('istio', { cert: chainPem, key: privateKeyPem }, 'stringData'),
      secret('istio-cacert', { cacert: root.pem }, 'stringData'),
      secret('half', { cert: chainPem }, 'stringData'),
      secret('empty', {}),
      secret('nonsense', { cert: 'secret text', key: 'secret text' }, 'stringData'),
    ].join('\n---\n'),
  )
  credentials.start((changes) => {
    for (const [key, value] of changes) seen.set(key, value)
  })
  await eventually('the Secrets are read', () => seen.size === 6)
  const certificate = { chainPem, keyPem: privateKeyPem }
  expect(Object.fromEntries(seen)).toEqual({
    'shop/kubernetes': { ok: true, value: { certificate, authorities: { caPem: root.pem } } },
    'shop/istio': { ok: true, value: { certificate } },
    'shop/istio-cacert': { ok: true, value: { authorities: { caPem: root.pem } } },
    'shop/half': { ok: false, error: 'it has a certificate or a key alone' },
    'shop/empty': { ok: false, error: 'it has neither a certificate nor an authority' },
    'shop/nonsense': { ok: false, error: 'its certificate or key can not be read' },
  })

  await rm(join(directory, 'all.yaml'))
  await eventually('they are gone', () => [...seen.values()].every((value) => value === null))
})

const yaml = (name: string, rest: string) => `kind: Secret\nmetadata: {name: ${name}, namespace: shop}\n${rest}\n`

test.each([
  ['an alias without its anchor', yaml('a', 'stringData: {tls.crt: *foo}'), 'all.yaml: document 1 is not YAML'],
  ['no YAML', `${yaml('a', '')}---\nkey: SECRET: text`, 'all.yaml: document 2, line 5 is not YAML'],
  ['something else', 'kind: ConfigMap', 'all.yaml: document 1 is no Secret: kind: Invalid input: expected "Secret"'],
  ['no name', 'kind: Secret\nmetadata: {}', 'all.yaml: document 1 is no Secret: metadata.name'],
  [
    'aliases without end',
    `${yaml('a', `data: {${'a: &a b, '.repeat(101)}}`)}`,
    'all.yaml: line 3 is more than is read',
  ],
])('a file with %s is passed over, which is said where its Secrets are missed', async (_, text, problem) => {
  const seen = new Map<string, unknown>()
  await writeFile(join(directory, 'other.yaml'), secret('other', {}))
  await writeFile(join(directory, 'all.yaml'), text)
  expect(credentials.isReading()).toBe(true)
  credentials.start((changes) => {
    for (const [key, value] of changes) seen.set(key, value)
  })
  await eventually('the other is read', () => seen.size === 1)
  expect(credentials.isReading()).toBe(false)
  expect([...credentials.problems()]).toEqual([expect.stringContaining(problem)])
  expect(credentials.failureOf()).toContain(`it may be in ${problem}`)
  expect(credentials.failureOf()).not.toContain('SECRET')

  await writeFile(join(directory, 'all.yaml'), secret('a', {}))
  await eventually('it is read', () => seen.size === 2)
  expect(credentials.failureOf()).toBeUndefined()
})

test('a directory that can not be read is the reason why nothing is there', async () => {
  await rm(directory, { recursive: true })
  let calls = 0
  credentials.start(() => (calls += 1))
  await eventually('it is told', () => calls === 1)
  expect(credentials.isReading()).toBe(false)
  expect(credentials.failureOf()).toContain('ENOENT')
  expect([...credentials.problems()]).toEqual([expect.stringContaining('ENOENT')])
})
