import 'reflect-metadata'
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509'
import type { Extension } from '@peculiar/x509'
import { toBase64, toBase64Url } from '#worker/encode-bytes.ts'

const ecdsa = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

export const newKeys = async (namedCurve = 'P-256'): Promise<CryptoKeyPair> =>
  (await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve }, true, ['sign', 'verify'])) as CryptoKeyPair

export const newCsr = async (
  keys: CryptoKeyPair,
  wishes: { readonly name?: string; readonly extensions?: Extension[] } = {},
): Promise<string> => {
  const request = await Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm: ecdsa, ...wishes })
  return request.toString('pem')
}

export const toPublicPem = async (keys: CryptoKeyPair): Promise<string> => {
  const spki = (await crypto.subtle.exportKey('spki', keys.publicKey)) as ArrayBuffer
  return `-----BEGIN PUBLIC KEY-----\n${toBase64(new Uint8Array(spki))}\n-----END PUBLIC KEY-----\n`
}

export const sign = async (keys: CryptoKeyPair, payload: string): Promise<string> => {
  const signature = await crypto.subtle.sign(ecdsa, keys.privateKey, new TextEncoder().encode(payload))
  return toBase64Url(new Uint8Array(signature))
}
