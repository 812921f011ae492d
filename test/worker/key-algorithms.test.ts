import 'reflect-metadata'
import { X509Certificate } from '@peculiar/x509'
import { expect, test, vi } from 'vitest'
import type { Trust } from '#api/schemas/trust.ts'
import { findKeyAlgorithm, toKeyParameters } from '#mesh/key-algorithm.ts'
import type { KeyAlgorithm } from '#mesh/key-algorithm.ts'
import type { Issuance } from '#mesh/trust.ts'
import { createJoinToken, joinTestCluster, newJoinRequest, TestAgent } from './support/test-agent.ts'
import { newCsr, newKeys } from './support/test-identity.ts'
import { createTestMesh, send } from './support/test-plane.ts'

/** What keys of the mesh's trust are, beside ECDSA on P-256. */
const keysOf = async (algorithm: KeyAlgorithm): Promise<CryptoKeyPair> =>
  (await crypto.subtle.generateKey(toKeyParameters(algorithm), true, ['sign', 'verify'])) as CryptoKeyPair

const kindOf = (pem: string) => findKeyAlgorithm(new X509Certificate(pem).publicKey.algorithm)

test.each(['ecdsa-p384', 'rsa-2048'] as const)(
  'a root of %s signs an intermediate with a key of the same kind',
  async (root) => {
    const mesh = await createTestMesh({ keys: { root } })
    const csrPem = await newCsr(await keysOf(root))
    const joining = await newJoinRequest(await createJoinToken(mesh, 'east', 'net'), await newKeys(), csrPem)
    const { status, body } = await send<{ certificatePem: string; rootsPem: string[] }>('POST', '/v1/join', {
      body: joining,
    })
    expect(status).toBe(201)
    const [rootPem = ''] = body.rootsPem
    expect([kindOf(rootPem), kindOf(body.certificatePem)]).toEqual([root, root])
    const publicKey = new X509Certificate(rootPem)
    expect(await new X509Certificate(body.certificatePem).verify({ publicKey, signatureOnly: true })).toBe(true)
  },
)

test('agents are told what keys are to be; the root is another at its next rotation', async () => {
  const mesh = await createTestMesh()
  const agent = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net'))
  const told = (): Issuance | undefined => {
    const item = agent.state.get('issuance/east')
    return item?.kind === 'issuance' ? item.value : undefined
  }
  await vi.waitUntil(() => told()?.leafKey === 'ecdsa-p256')
  const keys = { root: 'ecdsa-p384', intermediate: 'rsa-2048' }
  expect((await mesh.send('PATCH', '', { body: { keys } })).status).toBe(200)
  await vi.waitUntil(() => told()?.intermediateKey === 'rsa-2048')
  // What is named replaces what is there.
  expect((await mesh.send('PATCH', '', { body: { keys: { leaf: 'rsa-2048' } } })).status).toBe(200)
  await vi.waitUntil(() => told()?.leafKey === 'rsa-2048')
  expect(told()).toMatchObject({ intermediateKey: 'rsa-2048', withinSeconds: 2 })
  expect((await mesh.send('POST', '/trust/rotation', { body: {} })).status).toBe(200)
  const { body } = await mesh.send<Trust>('GET', '/trust')
  expect(body.roots.map(({ pem }) => kindOf(pem))).toEqual(['ecdsa-p256', 'ecdsa-p384'])
})

test('a kind of key that nobody knows is refused', async () => {
  const mesh = await createTestMesh()
  for (const keys of [{ leaf: 'rsa-1024' }, { leafs: 'rsa-2048' }])
    expect((await mesh.send('PATCH', '', { body: { keys } })).status).toBe(400)
})
