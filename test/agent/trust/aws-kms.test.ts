import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { KeyAlgorithm } from '#mesh/key-algorithm.ts'
import { AwsKmsServer, toKmsArn } from '#test/harness/aws-kms.ts'
import { AwsKms } from '#worker/ca/kms/aws-kms.ts'
import { findKmsKey, signByKms } from '#worker/ca/kms/kms-signer.ts'
import { signAwsRequest } from '#worker/ca/kms/sign-aws-request.ts'

const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' }
const nowMs = Date.parse('2026-11-30T12:00:00Z')
const arn = toKmsArn

let folder: string
let server: AwsKmsServer
let kms: AwsKms
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'atoll-kms-'))
  server = await AwsKmsServer.start(folder)
  kms = new AwsKms({ credentials, endpoint: server.endpoint, fetch, nowMs: () => nowMs })
})
afterAll(async () => {
  server.stop()
  await rm(folder, { recursive: true, force: true })
})

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
    const bytes = new TextEncoder().encode(`what is to be signed ${round}`).buffer
    expect((await signByKms(kms, arn(name), key, bytes)).byteLength).toBe({ p256: 64, p384: 96, rsa: 256 }[name])
  }
  const last = server.asked.at(-1)
  expect(last?.target).toBe('TrentService.Sign')
  expect(last?.authorization).toMatch(
    /Credential=AKIDEXAMPLE\/20261130\/eu-central-1\/kms\/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target,/,
  )
  expect(last?.body).not.toContain('what is to be signed')
})

test('what is signed is verified: a KMS that signs something else is found out', async () => {
  const key = await findKmsKey(kms, arn('other'))
  const bytes = new TextEncoder().encode('what is to be signed').buffer
  await expect(signByKms(kms, arn('other'), key, bytes)).rejects.toThrow('the KMS has signed with another key')
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
  const whole = { ...credentials, sessionToken: token }
  const told = new AwsKms({ credentials: whole, endpoint: server.endpoint, fetch, nowMs: () => nowMs })
  const error: unknown = await findKmsKey(told, arn('told')).catch((reason: unknown) => reason)
  expect(String(error)).toContain('403 SignatureDoesNotMatch it should have been')
  expect(String(error)).not.toContain(token)
})
