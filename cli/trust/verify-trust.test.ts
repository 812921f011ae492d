import 'reflect-metadata'
import type { webcrypto } from 'node:crypto'
import { AsnConvert, OctetString } from '@peculiar/asn1-schema'
import {
  GeneralName,
  GeneralSubtree,
  GeneralSubtrees,
  id_ce_nameConstraints,
  NameConstraints,
} from '@peculiar/asn1-x509'
import { BasicConstraintsExtension, Extension, X509CertificateGenerator } from '@peculiar/x509'
import type { X509Certificate } from '@peculiar/x509'
import { beforeAll, describe, expect, it } from 'vitest'
import { trust as trustSchema } from '#api/schemas/trust.ts'
import { verifyTrust } from './verify-trust.ts'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const now = Date.parse('2026-11-21T12:00:00Z')
const day = 24 * 60 * 60 * 1000

interface Authority {
  readonly keys: webcrypto.CryptoKeyPair
  readonly certificate: X509Certificate
}
interface Wish {
  readonly issuer?: Authority
  readonly name?: string
  readonly pathLength?: number
  readonly uri?: string
  readonly dns?: string
  readonly critical?: boolean
  readonly notBefore?: number
  readonly notAfter?: number
}

const nameConstraints = ({ uri, dns, critical = true }: Wish): Extension => {
  const bases = [
    ...(uri === undefined ? [] : [new GeneralName({ uniformResourceIdentifier: uri })]),
    ...(dns === undefined ? [] : [new GeneralName({ dNSName: dns })]),
  ]
  const permittedSubtrees = new GeneralSubtrees(bases.map((base) => new GeneralSubtree({ base })))
  const value = AsnConvert.serialize(new NameConstraints({ permittedSubtrees }))
  return new Extension(id_ce_nameConstraints, critical, new OctetString(value))
}

const make = async (wish: Wish): Promise<Authority> => {
  const { issuer, name = 'mesh', pathLength = 1, notBefore = now - day, notAfter = now + day } = wish
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const certificate = await X509CertificateGenerator.create({
    subject: `CN=${name}`,
    issuer: issuer?.certificate.subject ?? `CN=${name}`,
    publicKey: keys.publicKey,
    signingKey: (issuer?.keys ?? keys).privateKey,
    signingAlgorithm: algorithm,
    notBefore: new Date(notBefore),
    notAfter: new Date(notAfter),
    extensions: [
      new BasicConstraintsExtension(true, pathLength, true),
      ...(wish.uri === undefined && wish.dns === undefined ? [] : [nameConstraints(wish)]),
    ],
  })
  return { keys, certificate }
}

let root: Authority
beforeAll(async () => {
  root = await make({})
})

const sound = { name: 'east', pathLength: 0, uri: 'mesh.example', dns: 'east.clusters.mesh.example' }

const toRecord = (pem: string) => ({
  serial: '1',
  pem,
  notBefore: new Date(now).toISOString(),
  notAfter: new Date(now).toISOString(),
  fingerprint: 'f',
})
const faultsOf = async (rootPem: string, intermediatePem: string) => {
  const trust = trustSchema.parse({
    trustDomain: 'mesh.example',
    roots: [toRecord(rootPem)],
    intermediates: [{ ...toRecord(intermediatePem), cluster: 'east' }],
    epoch: 0,
  })
  return (await verifyTrust(trust, now)).map(({ faults }) => faults)
}
const check = async (wish: Wish) => {
  const { certificate } = await make({ issuer: root, ...sound, ...wish })
  const [ofRoot, ofIntermediate] = await faultsOf(root.certificate.toString('pem'), certificate.toString('pem'))
  expect(ofRoot).toEqual([])
  return ofIntermediate
}

describe('verifyTrust', () => {
  it('finds nothing wrong with a bound intermediate', async () => expect(await check({})).toEqual([]))

  it.each<[string, Wish, RegExp]>([
    ['that may sign authorities', { pathLength: 1 }, /path length/],
    ['of another cluster', { dns: 'west.clusters.mesh.example' }, /not confined to east\.clusters/],
    ['of a wider name', { dns: 'clusters.mesh.example' }, /not confined to east\.clusters/],
    ['of another trust domain', { uri: 'other.example' }, /not confined to trust domain/],
    ['whose constraints may be passed over', { critical: false }, /no critical name constraints/],
    ['that has expired', { notBefore: now - 2 * day, notAfter: now - day }, /expired/],
    ['that is not valid yet', { notBefore: now + day, notAfter: now + 2 * day }, /not valid before/],
  ])('finds an intermediate %s', async (_, wish, fault) => {
    expect(await check(wish)).toEqual([expect.stringMatching(fault)])
  })

  it('finds an intermediate without constraints', async () => {
    const { certificate } = await make({ issuer: root, name: 'east', pathLength: 0 })
    const [, faults] = await faultsOf(root.certificate.toString('pem'), certificate.toString('pem'))
    expect(faults).toHaveLength(3)
  })

  it('finds an intermediate of another root, even one of the same name', async () => {
    const impostor = await make({})
    const { certificate } = await make({ issuer: impostor, ...sound })
    const [, faults] = await faultsOf(root.certificate.toString('pem'), certificate.toString('pem'))
    expect(faults).toEqual(['is not signed by a root'])
  })

  it('follows those above a root that somebody brought', async () => {
    const offline = await make({ name: 'offline', pathLength: 2 })
    const ca = await make({ issuer: offline, name: 'ca' })
    const roots = (above: readonly string[]) => [{ ...toRecord(ca.certificate.toString('pem')), above }]
    const faults = async (...above: readonly string[]) => {
      const facts = { trustDomain: 'mesh.example', roots: roots(above), intermediates: [], epoch: 0 }
      return (await verifyTrust(trustSchema.parse(facts), now)).map((finding) => finding.faults)
    }
    expect(await faults(offline.certificate.toString('pem'))).toEqual([[]])
    expect(await faults()).toEqual([['is not signed by itself']])
    expect(await faults('nonsense')).toEqual([[expect.stringContaining('not a certificate')]])
    expect(await faults(root.certificate.toString('pem'))).toEqual([[expect.stringContaining('breaks at "CN=mesh"')]])
  })

  it('finds what is no certificate, and a root that is none', async () => {
    expect(await faultsOf('nonsense', 'nonsense')).toEqual([['is not a certificate'], ['is not a certificate']])
    const { certificate } = await make({ issuer: root, ...sound })
    const [faults] = await faultsOf(certificate.toString('pem'), certificate.toString('pem'))
    expect(faults).toEqual(['is not signed by itself'])
  })
})
