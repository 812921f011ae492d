/**
 * Signs with one private key, wherever that key is: in this process, in a KMS, behind somebody else's service. It is shown the
 * bytes to sign and nothing else.
 */
export interface Signer {
  /** The certificate of the key, PEM: issuer of what it signs. */
  readonly certificatePem: string
  /** ECDSA over P-256 with SHA-256, in the form of IEEE P1363 (r and s, 32 bytes each). */
  readonly sign: (toBeSigned: ArrayBuffer) => Promise<ArrayBuffer>
}

/** A WebCrypto key, by a name that every runtime's types have. */
export type WebCryptoKey = Parameters<typeof crypto.subtle.sign>[1]

export const ecdsaP256 = { name: 'ECDSA', namedCurve: 'P-256' } as const
export const ecdsaSha256 = { name: 'ECDSA', hash: 'SHA-256' } as const

/** Signs with a key that this process holds. */
export const toLocalSigner = (certificatePem: string, privateKey: WebCryptoKey): Signer => ({
  certificatePem,
  sign: (toBeSigned) => crypto.subtle.sign(ecdsaSha256, privateKey, toBeSigned),
})
