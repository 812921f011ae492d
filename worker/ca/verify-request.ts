import 'reflect-metadata'
import { Pkcs10CertificateRequest, SubjectAlternativeNameExtension } from '@peculiar/x509'
import type { PublicKey } from '@peculiar/x509'
import { toClusterDnsName } from '#mesh/identity.ts'
import { findKeyAlgorithm } from '#mesh/key-algorithm.ts'
import { err, ok } from '#mesh/result.ts'
import type { Result } from '#mesh/result.ts'
import type { ClusterIdentity } from './intermediate.ts'

/** A certificate request whose signature and wishes have been checked. Only its key is used. */
export interface VerifiedRequest {
  readonly publicKey: PublicKey
}

/**
 * Checks a PKCS#10 request for a cluster's intermediate. The plane decides what the certificate says, so a request may not
 * ask for anything but what it would get: names of this cluster, or none.
 */
export const verifyRequest = async (
  csrPem: string,
  identity: ClusterIdentity,
): Promise<Result<VerifiedRequest, string>> => {
  const proven = await proveKey(csrPem)
  if (!proven.ok) return proven
  const request = proven.value
  const names = [identity.cluster, toClusterDnsName(identity.cluster, identity.trustDomain)]
  const wish = findSubjectWish(request, names) ?? findExtensionWish(request, names)
  return wish === undefined ? ok({ publicKey: request.publicKey }) : err(wish)
}

/** Checks a PKCS#10 request for the CA of an external issuer, which a person made: its subject is not heeded, and no extension may be asked for. */
export const verifyIssuerRequest = async (csrPem: string): Promise<Result<VerifiedRequest, string>> => {
  const proven = await proveKey(csrPem)
  if (!proven.ok) return proven
  const wish = findExtensionWish(proven.value, [])
  return wish === undefined ? ok({ publicKey: proven.value.publicKey }) : err(wish)
}

/** The request, when who made it holds a key that we sign for. */
const proveKey = async (csrPem: string): Promise<Result<Pkcs10CertificateRequest, string>> => {
  const request = parseRequest(csrPem)
  if (!request) return err('the certificate request is not PKCS#10 in PEM')
  if (findKeyAlgorithm(request.publicKey.algorithm) === undefined)
    return err('the key must be ECDSA on P-256 or P-384, or RSA of 2048, 3072 or 4096 bits')
  if (!(await request.verify().catch(() => false))) return err('the signature of the certificate request is wrong')
  return ok(request)
}

const parseRequest = (pem: string): Pkcs10CertificateRequest | undefined => {
  try {
    return new Pkcs10CertificateRequest(pem)
  } catch {
    return undefined
  }
}

/** A subject is empty, or one common name that is the cluster's own. */
const findSubjectWish = (request: Pkcs10CertificateRequest, names: readonly string[]): string | undefined => {
  const parts = request.subjectName.toJSON().flatMap((part) => Object.entries(part))
  const isOwn = parts.every(
    ([attribute, values]) => attribute === 'CN' && values.every((value) => names.includes(value)),
  )
  return isOwn ? undefined : `the subject must be empty or CN=${names[0]}`
}

const findExtensionWish = (request: Pkcs10CertificateRequest, names: readonly string[]): string | undefined => {
  for (const extension of request.extensions) {
    if (!(extension instanceof SubjectAlternativeNameExtension)) {
      return `the extension ${extension.type} can't be asked for: the plane decides it`
    }
    const foreign = extension.names.toJSON().find(({ type, value }) => type !== 'dns' || !names.includes(value))
    if (foreign) return `the name ${foreign.value} can't be asked for`
  }
  return undefined
}
