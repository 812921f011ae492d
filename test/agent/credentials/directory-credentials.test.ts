import 'reflect-metadata'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ExtendedKeyUsage } from '@peculiar/x509'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '#agent/clock.ts'
import { DirectoryCredentials } from '#agent/credentials/directory-credentials.ts'
import { issueLeaf } from '#agent/identity/issue-leaf.ts'
import { createLog } from '#agent/log.ts'
import { createIntermediate, east, TestRoot } from '#test/agent/test-pki.ts'
import { eventually } from '#test/harness/child.ts'

let directory: string
let credentials: DirectoryCredentials
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'atoll-credentials-'))
  credentials = new DirectoryCredentials({ directory, clock: systemClock, log: createLog('silent') })
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
