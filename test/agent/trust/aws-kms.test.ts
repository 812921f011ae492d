import { createHash, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import type { KeyAlgorithm } from '#mesh/key-algorithm.ts'
import { AwsKms } from '#worker/ca/kms/aws-kms.ts'
import { findKmsKey, signByKms } from '#worker/ca/kms/kms-signer.ts'
import { signAwsRequest } from '#worker/ca/kms/sign-aws-request.ts'

/** AWS' KMS as far as the plane talks to it: in the place of an account, which no test has. */
const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' }
const nowMs = Date.parse('2026-11-30T12:00:00Z')
const arn = (name: string) => `arn:aws:kms:eu-central-1:123456789012:key/${name}`

interface StoredKey {
  readonly spec: string
  readonly privateKey: KeyObject
  readonly hash: string
}
const keys: Readonly<Record<string, StoredKey>> = {
  p256: {
    spec: 'ECC_NIST_P256',
    privateKey: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
    hash: 'sha256',
  },
  p384: {
    spec: 'ECC_NIST_P384',
    privateKey: generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey,
    hash: 'sha384',
  },
  rsa: { spec: 'RSA_2048', privateKey: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey, hash: 'sha256' },
  secp: {
    spec: 'ECC_SECG_P256K1',
    privateKey: generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey,
    hash: 'sha256',
  },
}
const asked: { readonly target: string; readonly authorization: string; readonly body: string }[] = []
/** What was asked to be signed, by its hash: KMS is shown no more, and a mock can't sign a hash of RSA by itself. */
const known = new Map<string, Buffer>()

let server: Server
let kms: AwsKms
beforeAll(async () => {
  server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const body = Buffer.concat(parts).toString()
      const target = String(request.headers['x-amz-target'])
      asked.push({ target, authorization: String(request.headers.authorization), body })
      const wish = z.object({ KeyId: z.string(), Message: z.string().optional() }).parse(JSON.parse(body))
      const name = wish.KeyId.split('/').at(-1) ?? ''
      if (name === 'told') {
        const message = `it should have been\nx-amz-security-token:${String(request.headers['x-amz-security-token'])}\n`
        response.writeHead(403).end(JSON.stringify({ __type: 'SignatureDoesNotMatch', message }))
        return
      }
      const key = keys[name]
      if (!key) {
        response.writeHead(400).end(JSON.stringify({ __type: 'NotFoundException', message: 'no such key' }))
        return
      }
      const publicKey = createPublicKey(key.privateKey).export({ type: 'spki', format: 'der' }).toString('base64')
      const message = known.get(wish.Message ?? '') ?? Buffer.from('something else')
      response.end(
        JSON.stringify(
          target === 'TrentService.GetPublicKey'
            ? { PublicKey: publicKey, KeySpec: key.spec, KeyUsage: 'SIGN_VERIFY' }
            : { Signature: sign(key.hash, message, key.privateKey).toString('base64') },
        ),
      )
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  kms = new AwsKms({ credentials, endpoint, fetch, nowMs: () => nowMs })
})
afterAll(() => server.close())

test('requests are signed as AWS says: its own example of Signature Version 4, "post-vanilla"', async () => {
  const request = {
    url: 'https://example.amazonaws.com/',
    headers: {},
    body: '',
    region: 'us-east-1',
    service: 'service',
  }
  const { authorization } = await signAwsRequest(request, credentials, Date.parse('2015-08-30T12:36:00Z'))
  expect(authorization).toBe(
    'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b',
  )
})

test.each<[string, KeyAlgorithm]>([
  ['p256', 'ecdsa-p256'],
  ['p384', 'ecdsa-p384'],
  ['rsa', 'rsa-2048'],
])('a key that is %s signs, and is shown a hash alone', async (name, algorithm) => {
  const key = await findKmsKey(kms, arn(name))
  expect(key.algorithm).toBe(algorithm)
  // Lengths of r and s differ from one to the next.
  for (let round = 0; round < 20; round += 1) {
    const text = Buffer.from(`what is to be signed ${round}`)
    known.set(
      createHash(keys[name]?.hash ?? '')
        .update(text)
        .digest('base64'),
      text,
    )
    const bytes = new Uint8Array(text).buffer
    expect((await signByKms(kms, arn(name), key, bytes)).byteLength).toBe({ p256: 64, p384: 96, rsa: 256 }[name])
  }
  const last = asked.at(-1)
  expect(last?.target).toBe('TrentService.Sign')
  expect(last?.authorization).toMatch(
    /Credential=AKIDEXAMPLE\/20261130\/eu-central-1\/kms\/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target,/,
  )
  expect(last?.body).not.toContain('what is to be signed')
})

test('what is signed is verified: a KMS that signs something else is found out', async () => {
  const key = await findKmsKey(kms, arn('p256'))
  const bytes = new TextEncoder().encode('not known').buffer
  await expect(signByKms(kms, arn('p256'), key, bytes)).rejects.toThrow('the KMS has signed with another key')
})

test('a key that can not be a root’s, that is not there, or that is no key is refused, with the reason', async () => {
  await expect(findKmsKey(kms, arn('secp'))).rejects.toThrow('ECC_SECG_P256K1')
  await expect(findKmsKey(kms, arn('none'))).rejects.toThrow('the KMS refused GetPublicKey')
  await expect(findKmsKey(kms, 'alias/mesh')).rejects.toThrow('not named by the ARN')
  const away = new AwsKms({ credentials, endpoint: 'http://127.0.0.1:9/', fetch, nowMs: () => nowMs })
  await expect(findKmsKey(away, arn('p256'))).rejects.toThrow(/^the KMS did not answer/)
})

test('what AWS repeats of the credentials is in no message', async () => {
  const token = 'FwoGZXIvYXdzEBYaDHqa0AP'
  const { port } = server.address() as AddressInfo
  const whole = { ...credentials, sessionToken: token }
  const told = new AwsKms({ credentials: whole, endpoint: `http://127.0.0.1:${port}/`, fetch, nowMs: () => nowMs })
  const error: unknown = await findKmsKey(told, arn('told')).catch((reason: unknown) => reason)
  expect(String(error)).toContain('403 SignatureDoesNotMatch it should have been')
  expect(String(error)).not.toContain(token)
})
