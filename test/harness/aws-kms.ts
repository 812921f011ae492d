import { execFileSync } from 'node:child_process'
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { z } from 'zod'

interface StoredKey {
  readonly spec: string
  /** What openssl is told of the hash that it is given. */
  readonly hash: string
  readonly privateKey: KeyObject
  /** Of another key: then what is signed is not by the key that it says. */
  readonly publicKey: KeyObject
}

const toKey = (spec: string, hash: string, privateKey: KeyObject, publicKey = createPublicKey(privateKey)) => ({
  spec,
  hash,
  privateKey,
  publicKey,
})
const onCurve = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve }).privateKey

const wish = z.object({ KeyId: z.string(), Message: z.string().optional() })

export const toKmsArn = (name: string): string => `arn:aws:kms:eu-central-1:123456789012:key/${name}`

/** AWS' KMS as far as the plane talks to it: in the place of an account, which no test has. It is shown hashes, and openssl signs them. */
export class AwsKmsServer {
  readonly asked: { readonly target: string; readonly authorization: string; readonly body: string }[] = []
  readonly keys: Readonly<Record<string, StoredKey>> = {
    p256: toKey('ECC_NIST_P256', 'sha256', onCurve('P-256')),
    p384: toKey('ECC_NIST_P384', 'sha384', onCurve('P-384')),
    rsa: toKey('RSA_2048', 'sha256', generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey),
    secp: toKey('ECC_SECG_P256K1', 'sha256', onCurve('secp256k1')),
    other: toKey('ECC_NIST_P256', 'sha256', onCurve('P-256'), createPublicKey(onCurve('P-256'))),
  }
  readonly #directory: string
  readonly #server: Server

  private constructor(directory: string) {
    this.#directory = directory
    this.#server = createServer((request, response) => {
      const parts: Buffer[] = []
      request.on('data', (part: Buffer) => parts.push(part))
      request.on('end', () => this.#answer(request.headers, Buffer.concat(parts).toString(), response))
    })
  }

  /** `directory` is for files of its own. */
  static async start(directory: string): Promise<AwsKmsServer> {
    const kms = new AwsKmsServer(directory)
    await new Promise<void>((resolve) => kms.#server.listen(0, '127.0.0.1', resolve))
    return kms
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`
  }

  stop(): void {
    this.#server.close()
  }

  #answer(headers: IncomingHttpHeaders, body: string, response: ServerResponse): void {
    const target = String(headers['x-amz-target'])
    this.asked.push({ target, authorization: String(headers.authorization), body })
    const { KeyId, Message } = wish.parse(JSON.parse(body))
    const name = KeyId.split('/').at(-1) ?? ''
    if (name === 'told') {
      const message = `it should have been\nx-amz-security-token:${String(headers['x-amz-security-token'])}\n`
      response.writeHead(403).end(JSON.stringify({ __type: 'SignatureDoesNotMatch', message }))
      return
    }
    const key = this.keys[name]
    if (!key) {
      response.writeHead(400).end(JSON.stringify({ __type: 'NotFoundException', message: 'no such key' }))
      return
    }
    const publicKey = key.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
    const answer =
      target === 'TrentService.GetPublicKey'
        ? { PublicKey: publicKey, KeySpec: key.spec, KeyUsage: 'SIGN_VERIFY' }
        : { Signature: this.#sign(name, key, Message ?? '').toString('base64') }
    response.end(JSON.stringify(answer))
  }

  #sign(name: string, { privateKey, hash }: StoredKey, digest: string): Buffer {
    const file = join(this.#directory, `kms-${name}.pem`)
    writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
    const args = ['pkeyutl', '-sign', '-inkey', file, '-pkeyopt', `digest:${hash}`]
    return execFileSync('openssl', args, { input: Buffer.from(digest, 'base64') })
  }
}
