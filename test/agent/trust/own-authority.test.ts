import 'reflect-metadata'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Name } from '@peculiar/asn1-x509'
import { ExtendedKeyUsage, ExtendedKeyUsageExtension, Extension } from '@peculiar/x509'
import { beforeAll, describe, expect, test } from 'vitest'
import { OwnCa, type CaWishes } from '#test/harness/own-ca.ts'
import { trustDomain } from '#mesh/names.ts'
import { importKeyOf, verifyOwnAuthority } from '#worker/ca/own-authority.ts'

const domain = trustDomain.parse('mesh.acme.example')
const uri = (uniformResourceIdentifier: string) => ({ uniformResourceIdentifier })
const dns = (dNSName: string) => ({ dNSName })

/** A CA of P-256 below a root that OpenSSL makes, of a kind of keys that the mesh has none of. */
const certifyBelow = (kind: string): [ca: string, root: string] => {
  const folder = mkdtempSync(join(tmpdir(), 'atoll-own-authority-'))
  const openssl = (...args: readonly string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  try {
    if (kind === 'dsa') openssl('dsaparam', '-genkey', '-out', 'root.key', '1024')
    else openssl('genpkey', '-algorithm', kind, '-out', 'root.key')
    writeFileSync(join(folder, 'ca.ext'), 'basicConstraints=critical,CA:TRUE,pathlen:1')
    const root = ['-x509', '-new', '-key', 'root.key', '-subj', '/CN=root', '-days', '999', '-out', 'root.pem']
    openssl('req', ...root, '-addext', 'basicConstraints=critical,CA:TRUE,pathlen:2')
    openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', 'ca.key')
    openssl('req', '-new', '-key', 'ca.key', '-subj', '/CN=ca', '-out', 'ca.csr')
    const issuer = ['-CA', 'root.pem', '-CAkey', 'root.key', '-CAcreateserial', '-extfile', 'ca.ext']
    const signed = openssl('x509', '-req', '-in', 'ca.csr', '-days', '900', ...issuer)
    return [signed.toString(), readFileSync(join(folder, 'root.pem'), 'utf8')]
  } finally {
    rmSync(folder, { recursive: true })
  }
}

let root: OwnCa
beforeAll(async () => {
  root = await OwnCa.create()
})

const verify = (chainPem: string) => verifyOwnAuthority(chainPem, domain, Date.now())
const verifyCa = async (wishes: CaWishes, issuer: OwnCa | undefined = root) =>
  verify((await OwnCa.create(issuer, wishes)).chainPem)

describe('a CA of somebody else may be the root', () => {
  test.each<[string, CaWishes]>([
    ['below a root', {}],
    ['of P-384', { algorithm: 'ecdsa-p384' }],
    ['of RSA', { algorithm: 'rsa-2048' }],
    ['with the names of the mesh', { permitted: [uri('mesh.acme.example'), dns('clusters.mesh.acme.example')] }],
    ['with names that the mesh is below', { permitted: [uri('.acme.example'), dns('acme.example')] }],
    ['without names of others', { excluded: [uri('.example.org'), dns('internal.example')] }],
    [
      'for TLS',
      { extensions: [new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth])] },
    ],
  ])('%s', async (_, wishes) => {
    expect(await verifyCa(wishes)).toMatchObject({ ok: true, value: { above: [root.certificate.toString('pem')] } })
  })

  test('that has signed itself, and one with another between it and its root', async () => {
    expect(await verifyCa({ name: 'CN=alone', pathLength: 1 }, undefined)).toMatchObject({ ok: true })
    const between = await OwnCa.create(root, { name: 'CN=between', pathLength: 2 })
    const verdict = await verifyCa({}, await OwnCa.create(undefined, { name: 'CN=far', pathLength: 3 }))
    expect(verdict).toMatchObject({ ok: true })
    expect(await verifyCa({}, between)).toMatchObject({ ok: false, error: expect.stringContaining('path length 2') })
  })

  test.each<[string, CaWishes, string]>([
    ['is not a CA', { isCa: false }, 'is not a CA'],
    ['has no room for a cluster', { pathLength: 0 }, 'path length 0'],
    ['has expired', { days: -1, notBefore: 0 }, 'expired'],
    ['is not valid yet', { notBefore: Date.now() + 3_600_000 }, 'not valid before'],
    ['ends soon', { days: 29 }, 'at least 30 days'],
    ['permits another trust domain alone', { permitted: [uri('other.example')] }, 'trust domain mesh.acme.example'],
    [
      'permits what is below the trust domain alone',
      { permitted: [uri('.mesh.acme.example')] },
      'not those of the trust',
    ],
    ['permits other DNS names alone', { permitted: [dns('other.example')] }, 'below clusters.mesh.acme.example'],
    ['permits one cluster alone', { permitted: [dns('east.clusters.mesh.acme.example')] }, 'below clusters.mesh.acme'],
    ['excludes the trust domain', { excluded: [uri('.acme.example')] }, 'excludes URIs'],
    ['excludes a cluster', { excluded: [dns('east.clusters.mesh.acme.example')] }, 'excludes DNS'],
    ['excludes all DNS names', { excluded: [dns('')] }, 'excludes DNS'],
    ['constrains subjects', { permitted: [{ directoryName: new Name() }] }, 'directory names'],
    [
      'is for servers alone',
      { extensions: [new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth])] },
      'extended key usage',
    ],
    [
      'says what nobody understands',
      { extensions: [new Extension('1.2.3.4', true, new Uint8Array([5, 0]))] },
      'critical extension 1.2.3.4',
    ],
    ['is signed with SHA-1', { hash: 'SHA-1' }, 'in another way'],
  ])('not one that %s', async (_, wishes, reason) => {
    expect(await verifyCa(wishes)).toMatchObject({ ok: false, error: expect.stringContaining(reason) })
  })

  test('not one whose chain is not one', async () => {
    const ca = await OwnCa.create(root)
    const impostor = await OwnCa.create()
    const alone = ca.certificate.toString('pem')
    expect(await verify(alone)).toMatchObject({ ok: false, error: expect.stringContaining('not in the chain') })
    expect(await verify(`${alone}\n${impostor.chainPem}`)).toMatchObject({
      ok: false,
      error: expect.stringContaining('is not signed by'),
    })
    expect(await verify(root.chainPem + ca.chainPem)).toMatchObject({ ok: false })
    expect(await verify('')).toMatchObject({ ok: false })
    expect(await verify(await ca.keyPem())).toMatchObject({
      ok: false,
      error: expect.stringContaining('not certificates'),
    })
    let deep = root
    for (let depth = 0; depth < 4; depth += 1)
      deep = await OwnCa.create(deep, { name: `CN=${depth}`, pathLength: null })
    expect(await verify(deep.chainPem)).toMatchObject({ ok: false, error: expect.stringContaining('at most 4') })
  })

  test.each([
    ['ed25519', { ok: true }],
    ['rsa-pss', { ok: true }],
    ['ed448', { ok: false, error: expect.stringContaining('in another way') }],
    ['dsa', { ok: false, error: expect.stringContaining('in another way') }],
  ])('below a root with a key of %s, of which the mesh has none', async (kind, verdict) => {
    const [ca, above] = certifyBelow(kind)
    expect(await verify(`${ca}\n${above}`)).toMatchObject(verdict)
    expect(await verify(above)).toMatchObject({ ok: false })
  })

  test('and its key is tried', async () => {
    const [ca, other] = [await OwnCa.create(root), await OwnCa.create(root)]
    const verdict = await verify(ca.chainPem)
    if (!verdict.ok) throw new Error(verdict.error)
    expect(await importKeyOf(verdict.value, await ca.keyPem())).toBeDefined()
    expect(await importKeyOf(verdict.value, await other.keyPem())).toBeUndefined()
    expect(await importKeyOf(verdict.value, 'no key')).toBeUndefined()
  })
})
