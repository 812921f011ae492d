import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { attemptRead } from '../attempt-read.ts'
import { CliError } from '../cli-error.ts'
import { findCertificates } from '../find-certificates.ts'

export const planeCaFlags = '--plane-ca <file>'
export const planeCaDescription = "PEM of the authority of the plane's certificate, if it is private"

/** The text of the file that `--plane-ca` names. Throws CliError `usage` unless it has a certificate that can vouch for a server's. */
export const readPlaneCa = (file: string): string => {
  const name = `--plane-ca ${file}`
  const text = attemptRead(name, () => readFileSync(file, 'utf8'))
  const blocks = findCertificates(text)
  if (blocks.length === 0) throw unusable(`${name} has no certificate in PEM`)
  const certificates = blocks.map((pem) => attemptParse(name, pem))
  if (!certificates.some(isAuthority)) throw unusable(`${name} has the certificate of no authority`)
  return text
}

const attemptParse = (name: string, pem: string): X509Certificate => {
  try {
    return new X509Certificate(pem)
  } catch (error) {
    throw unusable(`${name} has a certificate that cannot be read`, error)
  }
}

/** A server's certificate that vouches for itself is believed as well. */
const isAuthority = (certificate: X509Certificate): boolean => certificate.ca || certificate.checkIssued(certificate)

const unusable = (message: string, cause?: unknown): CliError =>
  new CliError('usage', message, {
    remedy: 'It is to have the certificate of who signed that of the plane: "-----BEGIN CERTIFICATE-----" …',
    cause,
  })
