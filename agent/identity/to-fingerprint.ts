import { createHash } from 'node:crypto'
import type { X509Certificate } from '@peculiar/x509'

const known = new WeakMap<X509Certificate, string>()

/** By what the plane and its agents name a certificate to each other: lower-case hex SHA-256 of its DER form. */
export const toFingerprint = (certificate: X509Certificate): string => {
  let fingerprint = known.get(certificate)
  if (fingerprint === undefined) {
    fingerprint = createHash('sha256').update(new Uint8Array(certificate.rawData)).digest('hex')
    known.set(certificate, fingerprint)
  }
  return fingerprint
}
