import 'reflect-metadata'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clusterName, meshName, trustDomain } from '#mesh/names.ts'
import { newSerial } from '#worker/ca/certificate.ts'
import { signIntermediate } from '#worker/ca/intermediate.ts'
import { createRoot } from '#worker/ca/root.ts'
import { toLocalSigner } from '#worker/ca/signer.ts'
import { verifyRequest } from '#worker/ca/verify-request.ts'

const ecdsa = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const domain = trustDomain.parse('mesh.example')
const mesh = { name: meshName.parse('demo'), trustDomain: domain }
const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes))
const newKeys = () => crypto.subtle.generateKey(ecdsa, true, ['sign', 'verify'])

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'atoll-openssl-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Authority {
  readonly rootPem: string
  readonly intermediatePem: string
  readonly keys: Awaited<ReturnType<typeof newKeys>>
}

/** What the plane issues to a cluster that joins. */
const issueTo = async (cluster: string, nowMs: number): Promise<Authority> => {
  const root = await createRoot(mesh, newSerial(random), nowMs)
  const keys = await newKeys()
  const request = await Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm: ecdsa })
  const identity = { mesh: mesh.name, trustDomain: domain, cluster: clusterName.parse(cluster) }
  const verified = await verifyRequest(request.toString('pem'), identity)
  if (!verified.ok) throw new Error(verified.error)
  const signer = toLocalSigner(root.certificate.pem, root.privateKey)
  const intermediate = await signIntermediate(verified.value, identity, newSerial(random), signer, nowMs)
  return { rootPem: root.certificate.pem, intermediatePem: intermediate.pem, keys }
}

/** A leaf as an agent makes it: a SPIFFE ID and the names of its cluster. */
const issueLeaf = async (
  { intermediatePem, keys }: Authority,
  names: { spiffeId: string; dns: string; ca?: boolean },
) => {
  const leaf = await newKeys()
  const certificate = await X509CertificateGenerator.create({
    serialNumber: newSerial(random),
    issuer: new X509Certificate(intermediatePem).subjectName,
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 60 * 60_000),
    publicKey: leaf.publicKey,
    signingKey: keys.privateKey,
    signingAlgorithm: ecdsa,
    extensions: [
      new BasicConstraintsExtension(names.ca ?? false, undefined, true),
      await AuthorityKeyIdentifierExtension.create(keys.publicKey),
      new SubjectAlternativeNameExtension(
        [
          { type: 'url', value: names.spiffeId },
          { type: 'dns', value: names.dns },
        ],
        true,
      ),
    ],
  })
  return certificate.toString('pem')
}

const write = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

/** What `openssl verify` says of a leaf: its standard output, or its complaint. */
const openssl = (authority: Authority, leafPem: string): string => {
  const root = write('root.pem', authority.rootPem)
  const intermediate = write('intermediate.pem', authority.intermediatePem)
  try {
    return execFileSync(
      'openssl',
      ['verify', '-x509_strict', '-CAfile', root, '-untrusted', intermediate, write('leaf.pem', leafPem)],
      {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
  } catch (error) {
    return error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error)
  }
}

describe('openssl verify', () => {
  const good = { spiffeId: 'spiffe://mesh.example/ns/default/sa/web', dns: 'web.default.east.clusters.mesh.example' }

  test('takes a leaf of a cluster’s intermediate', async () => {
    const authority = await issueTo('east', Date.now())
    expect(openssl(authority, await issueLeaf(authority, good))).toContain('leaf.pem: OK')
  })

  const forged: readonly (readonly [string, Parameters<typeof issueLeaf>[1], RegExp])[] = [
    [
      'with another cluster’s name',
      { ...good, dns: 'web.default.west.clusters.mesh.example' },
      /permitted subtree violation/,
    ],
    [
      'of another trust domain',
      { ...good, spiffeId: 'spiffe://other.example/ns/default/sa/web' },
      /permitted subtree violation/,
    ],
  ]
  test.each(forged)('refuses a leaf %s', async (_name, names, complaint) => {
    const authority = await issueTo('east', Date.now())
    expect(openssl(authority, await issueLeaf(authority, names))).toMatch(complaint)
  })

  test('refuses a leaf that the intermediate made a CA of, once it signs', async () => {
    const authority = await issueTo('east', Date.now())
    const keys = await newKeys()
    const below = await issueLeaf(authority, { ...good, ca: true })
    const chained = { ...authority, intermediatePem: `${authority.intermediatePem}\n${below}` }
    const leaf = await issueLeaf({ ...authority, intermediatePem: below, keys }, good)
    expect(openssl(chained, leaf)).toMatch(/error/)
  })

  test('refuses what has run out', async () => {
    const authority = await issueTo('east', Date.now() - 91 * 24 * 60 * 60 * 1000)
    expect(openssl(authority, await issueLeaf(authority, good))).toMatch(/certificate has expired/)
  })

  test('shows the constraints of an intermediate as critical', async () => {
    const { intermediatePem } = await issueTo('east', Date.now())
    const text = execFileSync('openssl', ['x509', '-noout', '-text', '-in', write('shown.pem', intermediatePem)], {
      encoding: 'utf8',
    })
    expect(text).toMatch(/Basic Constraints: critical\s+CA:TRUE, pathlen:0/)
    expect(text).toMatch(
      /Name Constraints: critical\s+Permitted:\s+URI:mesh\.example\s+DNS:east\.clusters\.mesh\.example/,
    )
    expect(text).toMatch(/Key Usage: critical\s+Certificate Sign, CRL Sign/)
    expect(text).toMatch(/Public-Key: \(256 bit\)/)
  })
})
