import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'

/** PKCS#8, PEM, of a new ECDSA key on P-256. */
export const generateIdentityKeyPem = (): string =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()

/** SubjectPublicKeyInfo, PEM. */
export const toPublicKeyPem = (privateKeyPem: string): string =>
  createPublicKey(privateKeyPem).export({ type: 'spki', format: 'pem' }).toString()

/** Signs texts with the agent's identity key: base64url, ECDSA with SHA-256, IEEE P1363. */
export const createSigner = (privateKeyPem: string): ((payload: string) => string) => {
  const key = createPrivateKey(privateKeyPem)
  return (payload) => sign('sha256', Buffer.from(payload), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')
}
