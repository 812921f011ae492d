import 'reflect-metadata'
import type { webcrypto } from 'node:crypto'
import { PemConverter } from '@peculiar/x509'

/** ECDSA on P-256 with SHA-256: what every key and signature below a mesh's root is. */
export const ecdsaP256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

/** `extractable`: whether the private key may leave WebCrypto, to be written into a secret or a sealed store. */
export const generateKeyPair = async (extractable: boolean): Promise<webcrypto.CryptoKeyPair> =>
  crypto.subtle.generateKey(ecdsaP256, extractable, ['sign', 'verify'])

/** PKCS#8, PEM. */
export const exportPrivateKeyPem = async (key: webcrypto.CryptoKey): Promise<string> =>
  PemConverter.encode(await crypto.subtle.exportKey('pkcs8', key), PemConverter.PrivateKeyTag)

/** The private key of `exportPrivateKeyPem`, for signing. Throws when it is none. */
export const importPrivateKeyPem = async (pem: string): Promise<webcrypto.CryptoKey> =>
  crypto.subtle.importKey('pkcs8', PemConverter.decodeFirst(pem), ecdsaP256, true, ['sign'])
