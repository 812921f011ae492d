import 'reflect-metadata'
import { createPrivateKey, type KeyObject, type webcrypto } from 'node:crypto'
import { PemConverter } from '@peculiar/x509'
import { findKeyAlgorithm, toKeyParameters, type KeyAlgorithm } from '#mesh/key-algorithm.ts'

/** ECDSA on P-256 with SHA-256: what keys are that nobody says anything else of. */
export const ecdsaP256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

/** `extractable`: whether the private key may leave WebCrypto, to be written into a secret or a sealed store. */
export const generateKeyPair = async (
  extractable: boolean,
  algorithm: KeyAlgorithm = 'ecdsa-p256',
): Promise<webcrypto.CryptoKeyPair> => {
  const parameters = toKeyParameters(algorithm)
  return parameters.name === 'ECDSA'
    ? crypto.subtle.generateKey(parameters, extractable, ['sign', 'verify'])
    : crypto.subtle.generateKey(parameters, extractable, ['sign', 'verify'])
}

/** What signs with a key, and is signed by it, is made with. */
export const signingParametersOf = (privateKey: webcrypto.CryptoKey): ReturnType<typeof toKeyParameters> =>
  toKeyParameters(findKeyAlgorithm(privateKey.algorithm) ?? 'ecdsa-p256')

/** PKCS#8, PEM. */
export const exportPrivateKeyPem = async (key: webcrypto.CryptoKey): Promise<string> =>
  PemConverter.encode(await crypto.subtle.exportKey('pkcs8', key), PemConverter.PrivateKeyTag)

/** The private key of `exportPrivateKeyPem`, for signing. Throws when it is none. */
export const importPrivateKeyPem = async (pem: string): Promise<webcrypto.CryptoKey> => {
  const algorithm = findKeyAlgorithm(describe(createPrivateKey(pem)))
  if (algorithm === undefined) throw new Error('the private key is of a kind that this agent does not know')
  return crypto.subtle.importKey('pkcs8', PemConverter.decodeFirst(pem), toKeyParameters(algorithm), true, ['sign'])
}

const curves: Readonly<Record<string, string>> = { prime256v1: 'P-256', secp384r1: 'P-384' }

/** As WebCrypto names it. */
const describe = ({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): Parameters<typeof findKeyAlgorithm>[0] =>
  asymmetricKeyType === 'ec'
    ? { name: 'ECDSA', namedCurve: curves[asymmetricKeyDetails?.namedCurve ?? ''] }
    : { name: asymmetricKeyType?.toUpperCase() ?? '', modulusLength: asymmetricKeyDetails?.modulusLength }
