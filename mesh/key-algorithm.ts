import { z } from 'zod'

/** What a private key of the mesh's trust is: of the root, of the clusters' intermediates, or of workloads. */
export const keyAlgorithm = z.enum(['ecdsa-p256', 'ecdsa-p384', 'rsa-2048', 'rsa-3072', 'rsa-4096'])
export type KeyAlgorithm = z.infer<typeof keyAlgorithm>

/** What keys are unless somebody says otherwise. */
export const defaultKeyAlgorithm = 'ecdsa-p256' satisfies KeyAlgorithm

/** What WebCrypto generates, imports and signs with: one of these says it all. */
export type KeyParameters = EcParameters | RsaParameters

interface EcParameters {
  readonly name: 'ECDSA'
  readonly namedCurve: 'P-256' | 'P-384'
  readonly hash: 'SHA-256' | 'SHA-384'
}

interface RsaParameters {
  readonly name: 'RSASSA-PKCS1-v1_5'
  readonly modulusLength: number
  readonly publicExponent: Uint8Array<ArrayBuffer>
  readonly hash: 'SHA-256'
}

const toRsa = (modulusLength: number): RsaParameters => ({
  name: 'RSASSA-PKCS1-v1_5',
  modulusLength,
  publicExponent: new Uint8Array([1, 0, 1]),
  hash: 'SHA-256',
})

const parameters: Readonly<Record<KeyAlgorithm, KeyParameters>> = {
  'ecdsa-p256': { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  'ecdsa-p384': { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
  'rsa-2048': toRsa(2048),
  'rsa-3072': toRsa(3072),
  'rsa-4096': toRsa(4096),
}

export const toKeyParameters = (algorithm: KeyAlgorithm): KeyParameters => parameters[algorithm]

/** How long a signature is that WebCrypto makes: of ECDSA r and s side by side (IEEE P1363). */
export const toSignatureBytes = (algorithm: KeyAlgorithm): number => {
  const found = parameters[algorithm]
  if (found.name === 'RSASSA-PKCS1-v1_5') return found.modulusLength / 8
  return found.namedCurve === 'P-256' ? 64 : 96
}

/** Of a public key, as `@peculiar/x509` tells its algorithm; undefined = it is none of ours. */
export const findKeyAlgorithm = (key: {
  readonly name: string
  readonly namedCurve?: unknown
  readonly modulusLength?: unknown
  /** Big-endian. Nobody needs another one than 65537, and a huge one costs whoever verifies. */
  readonly publicExponent?: Uint8Array
}): KeyAlgorithm | undefined =>
  keyAlgorithm.options.find((option) => {
    const known = parameters[option]
    if (known.name === 'ECDSA') return key.name === 'ECDSA' && key.namedCurve === known.namedCurve
    const exponent = key.publicExponent ?? known.publicExponent
    return (
      key.name.startsWith('RSA') &&
      key.modulusLength === known.modulusLength &&
      exponent.join() === known.publicExponent.join()
    )
  })
