import { z } from 'zod'
import { keyAlgorithm, toSignatureBytes } from '#mesh/key-algorithm.ts'
import type { KeyAlgorithm } from '#mesh/key-algorithm.ts'
import { fromBase64, toBase64 } from '../../encode-bytes.ts'
import type { Kms, KmsKey } from './kms.ts'
import { signAwsRequest } from './sign-aws-request.ts'
import type { AwsCredentials } from './sign-aws-request.ts'

export interface AwsKmsOptions {
  readonly credentials: AwsCredentials
  /** Absent: that of AWS in the key's region. */
  readonly endpoint?: string | undefined
  readonly fetch: (request: Request) => Promise<Response>
  readonly nowMs: () => number
}

const TIMEOUT_MS = 10_000
const MAX_ANSWER_CHARS = 16_384

/** How AWS names what we know. */
const kinds: Readonly<
  Record<KeyAlgorithm, { readonly spec: string; readonly signing: string; readonly hash: string }>
> = {
  'ecdsa-p256': { spec: 'ECC_NIST_P256', signing: 'ECDSA_SHA_256', hash: 'SHA-256' },
  'ecdsa-p384': { spec: 'ECC_NIST_P384', signing: 'ECDSA_SHA_384', hash: 'SHA-384' },
  'rsa-2048': { spec: 'RSA_2048', signing: 'RSASSA_PKCS1_V1_5_SHA_256', hash: 'SHA-256' },
  'rsa-3072': { spec: 'RSA_3072', signing: 'RSASSA_PKCS1_V1_5_SHA_256', hash: 'SHA-256' },
  'rsa-4096': { spec: 'RSA_4096', signing: 'RSASSA_PKCS1_V1_5_SHA_256', hash: 'SHA-256' },
}

const publicKeyAnswer = z.object({ PublicKey: z.string(), KeySpec: z.string(), KeyUsage: z.string() })
const signAnswer = z.object({ Signature: z.string() })
const refusal = z.object({
  __type: z.string().optional(),
  message: z.string().optional(),
  Message: z.string().optional(),
})

const arnShape = /^arn:aws[a-z-]*:kms:([a-z0-9-]+):\d{12}:key\/[\w-]+$/

/** AWS KMS over its HTTP API (`TrentService`, JSON 1.1). A key is named by its ARN, which has its region. */
export class AwsKms implements Kms {
  readonly #options: AwsKmsOptions

  constructor(options: AwsKmsOptions) {
    this.#options = options
  }

  async findKey(name: string): Promise<KmsKey> {
    const answer = publicKeyAnswer.parse(await this.#call(name, 'GetPublicKey', { KeyId: name }))
    const algorithm = keyAlgorithm.options.find((option) => kinds[option].spec === answer.KeySpec)
    const spki = fromBase64(answer.PublicKey)
    if (algorithm === undefined || spki === undefined || answer.KeyUsage !== 'SIGN_VERIFY')
      throw new Error(`the KMS key ${name} is ${answer.KeySpec} for ${answer.KeyUsage}: it can not be a root's`)
    return { algorithm, spki }
  }

  /** The bytes stay here: KMS is sent their hash. */
  async sign(name: string, algorithm: KeyAlgorithm, toBeSigned: ArrayBuffer): Promise<ArrayBuffer> {
    const { signing, hash } = kinds[algorithm]
    const digest = toBase64(new Uint8Array(await crypto.subtle.digest(hash, toBeSigned)))
    const parameters = { KeyId: name, Message: digest, MessageType: 'DIGEST', SigningAlgorithm: signing }
    const { Signature } = signAnswer.parse(await this.#call(name, 'Sign', parameters))
    const signature = fromBase64(Signature)
    if (!signature) throw new Error(`the KMS answered no signature for the key ${name}`)
    return algorithm.startsWith('ecdsa') ? toP1363(signature, toSignatureBytes(algorithm) / 2) : signature.buffer
  }

  async #call(name: string, action: 'GetPublicKey' | 'Sign', parameters: object): Promise<unknown> {
    const region = arnShape.exec(name)?.[1]
    if (region === undefined) throw new Error(`the KMS key ${name} is not named by the ARN of a key`)
    const { credentials, endpoint = `https://kms.${region}.amazonaws.com/`, fetch, nowMs } = this.#options
    const headers = { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': `TrentService.${action}` }
    const wanted = { url: endpoint, headers, body: JSON.stringify(parameters), region, service: 'kms' }
    const signed = await signAwsRequest(wanted, credentials, nowMs())
    const request = new Request(endpoint, { method: 'POST', headers: signed, body: wanted.body, redirect: 'manual' })
    const response = await fetch(new Request(request, { signal: AbortSignal.timeout(TIMEOUT_MS) }))
    const text = (await response.text()).slice(0, MAX_ANSWER_CHARS)
    if (response.ok) return JSON.parse(text)
    const { data } = refusal.safeParse(parse(text))
    const reason = withoutCredentials(data?.message ?? data?.Message ?? '', credentials)
    throw new Error(
      `the KMS refused ${action} with the key ${name}: ${response.status} ${data?.__type ?? ''} ${reason}`.trim(),
    )
  }
}

/** A refused signature is answered with what was to be signed, and the token of a session is a part of that. */
const withoutCredentials = (text: string, { secretAccessKey, sessionToken }: AwsCredentials): string =>
  [secretAccessKey, ...(sessionToken === undefined ? [] : [sessionToken])].reduce(
    (left, secret) => left.replaceAll(secret, '…'),
    text,
  )

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** ECDSA-Sig-Value (RFC 3279 §2.2.3) as WebCrypto has it: r and s side by side, each of `size` bytes. */
const toP1363 = (der: Uint8Array, size: number): ArrayBuffer => {
  const signature = new Uint8Array(2 * size)
  let at = der[1] === 0x81 ? 3 : 2
  for (const place of [0, 1]) {
    const length = der[at + 1] ?? 0
    const integer = der.slice(at + 2, at + 2 + length)
    const bytes = integer.length > size ? integer.slice(integer.length - size) : integer
    if (der[at] !== 2 || bytes.length === 0) throw new Error('the KMS answered something that is no ECDSA signature')
    signature.set(bytes, (place + 1) * size - bytes.length)
    at += 2 + length
  }
  return signature.buffer
}
