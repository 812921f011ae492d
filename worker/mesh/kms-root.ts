import 'reflect-metadata'
import { PublicKey } from '@peculiar/x509'
import type { X509Certificate } from '@peculiar/x509'
import { newSerial } from '../ca/certificate.ts'
import { certifyRoot } from '../ca/root.ts'
import { findKmsKey, signByKms } from '../ca/kms/kms-signer.ts'
import { newId } from '../secret-token.ts'
import type { MeshContext } from './context.ts'
import { readMeshRow } from './mesh-row.ts'
import type { PreparedRoot } from './trust.ts'

/** A root whose key is in the plane's KMS, where the operator has one for this mesh; undefined = he has not. */
export const prepareKmsRoot = async (context: MeshContext): Promise<PreparedRoot | undefined> => {
  const { sql, now, random } = context
  const { meshId, settings } = readMeshRow(sql)
  const found = context.kms?.()
  const kmsKey = found?.keyFor(meshId)
  if (!found || kmsKey === undefined) return undefined
  const key = await findKmsKey(found.kms, kmsKey)
  const serial = newSerial(random)
  const mesh = { name: settings.meshName, trustDomain: settings.trustDomain }
  const certificate = await certifyRoot(mesh, serial, now(), {
    algorithm: key.algorithm,
    publicKey: new PublicKey(key.spki),
    sign: (toBeSigned) => signByKms(found.kms, kmsKey, key, toBeSigned),
  })
  return { keyId: newId(random), serial, sealedKey: '', certificate, kmsKey }
}

/** The name of this mesh's key in the KMS, when it is that of the certificate. */
export const findKmsKeyOf = async (
  { sql, kms }: MeshContext,
  certificate: X509Certificate,
): Promise<string | undefined> => {
  const found = kms?.()
  const name = found?.keyFor(readMeshRow(sql).meshId)
  if (!found || name === undefined) return undefined
  const { spki } = await findKmsKey(found.kms, name)
  return new PublicKey(spki).equal(certificate.publicKey) ? name : undefined
}
