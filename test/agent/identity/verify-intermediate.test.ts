import 'reflect-metadata'
import { X509Certificate } from '@peculiar/x509'
import { beforeAll, expect, test } from 'vitest'
import { verifyIntermediate, verifyIssuer } from '#agent/identity/verify-intermediate.ts'
import { keyAlgorithm } from '#mesh/key-algorithm.ts'
import { createIntermediate, createIssuer, domain, east, TestRoot, west, type IntermediateWishes } from '../test-pki.ts'

const now = 1_700_000_000_000
const day = 24 * 60 * 60_000
const eastSubtrees = [{ uri: 'td.example' }, { dns: 'east.clusters.td.example' }]

let root: TestRoot
let otherRoot: TestRoot
beforeAll(async () => {
  root = await TestRoot.create(now)
  otherRoot = await TestRoot.create(now)
})

const verify = (pem: string, at = now, roots = [root]) =>
  verifyIntermediate(pem, east, { trustDomain: domain, roots: roots.map((each) => new X509Certificate(each.pem)) }, at)

test('an intermediate as the plane signs it is trusted, under any of the roots', async () => {
  const { pem } = await createIntermediate(root, east)
  expect(await verify(pem)).toMatchObject({ ok: true })
  expect(await verify(pem, now, [otherRoot, root])).toMatchObject({ ok: true })
})

test.each(keyAlgorithm.options)('it is so with a root and a key of %s', async (key) => {
  const ofKind = await TestRoot.create(now, 'root', key)
  const { pem } = await createIntermediate(ofKind, east, { key })
  expect(await verify(pem, now, [ofKind])).toMatchObject({ ok: true })
  expect(await verify(pem, now, [root])).toMatchObject({ ok: false })
})

test.each<[string, IntermediateWishes]>([
  ['may sign further CAs', { pathLength: 1 }],
  ['is no CA', { isCa: false }],
  ['is constrained to another cluster', { permitted: [{ uri: 'td.example' }, { dns: 'west.clusters.td.example' }] }],
  ['is constrained to more than its cluster', { permitted: [...eastSubtrees, { dns: 'west.clusters.td.example' }] }],
  ['is constrained to the whole mesh', { permitted: [{ uri: 'td.example' }, { dns: 'clusters.td.example' }] }],
  [
    'is constrained to another trust domain',
    { permitted: [{ uri: 'other.example' }, { dns: 'east.clusters.td.example' }] },
  ],
  ['is not constrained in its URIs', { permitted: [{ dns: 'east.clusters.td.example' }] }],
  ['has constraints that may be ignored', { areConstraintsCritical: false }],
  ['has constraints that nobody can read', { areConstraintsNonsense: true }],
  ['is not valid yet', { notBefore: now + 1000 }],
  ['has expired', { notAfter: now }],
])('one that %s is not', async (_, wishes) => {
  const { pem } = await createIntermediate(root, east, wishes)
  expect(await verify(pem)).toMatchObject({ ok: false })
})

test.each<[string, () => Promise<string>]>([
  ['of another root of the same name', async () => (await createIntermediate(otherRoot, east)).pem],
  ['of another cluster', async () => (await createIntermediate(root, west)).pem],
  ['that is the root itself', async () => root.pem],
  ['that is no certificate', async () => 'nonsense'],
])('one %s is not', async (_, make) => {
  expect(await verify(await make())).toMatchObject({ ok: false })
})

test('with the root’s time over, nothing is trusted', async () => {
  const { pem } = await createIntermediate(root, east, { notAfter: now + 4000 * day })
  expect(await verify(pem, now + 3000 * day)).toMatchObject({ ok: true })
  expect(await verify(pem, now + 3651 * day)).toMatchObject({
    ok: false,
    error: 'it is not signed by a root of the mesh',
  })
})

const asIssuer = (pem: string, at = now) =>
  verifyIssuer(pem, { trustDomain: domain, roots: [new X509Certificate(root.pem)] }, at)

test('an external issuer as the plane signs it is trusted, and is nobody’s intermediate', async () => {
  const pem = await createIssuer(root, west)
  expect(await asIssuer(pem)).toMatchObject({ ok: true })
  expect(await verify(pem)).toMatchObject({ ok: false })
})

test.each<[string, () => Promise<string>]>([
  ['of another root of the same name', () => createIssuer(otherRoot, west)],
  ['that is a cluster’s intermediate', async () => (await createIntermediate(root, east)).pem],
  [
    'that may sign for the names of clusters',
    async () => (await createIntermediate(root, east, { permitted: [{ uri: 'td.example' }] })).pem,
  ],
  [
    'that is excluded from one cluster’s names alone',
    () => createIssuer(root, west, { excluded: [{ dns: 'east.clusters.td.example' }] }),
  ],
  ['of another trust domain', () => createIssuer(root, west, { permitted: [{ uri: 'other.example' }] })],
  ['that is excluded from all of its names', () => createIssuer(root, west, { permitted: [] })],
  ['that may sign further CAs', () => createIssuer(root, west, { pathLength: 1 })],
  ['that has expired', () => createIssuer(root, west, { notAfter: now })],
])('an issuer %s is not', async (_, make) => {
  expect(await asIssuer(await make())).toMatchObject({ ok: false })
})
