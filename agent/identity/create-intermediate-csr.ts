import 'reflect-metadata'
import type { webcrypto } from 'node:crypto'
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509'
import type { ClusterName } from '#mesh/names.ts'
import { signingParametersOf } from './certificate-key.ts'

/**
 * PKCS#10, PEM, for a cluster's intermediate. It proves possession of the key and names the cluster (who joins is not told yet which
 * one it is); the plane decides the rest.
 */
export const createIntermediateCsr = async (keys: webcrypto.CryptoKeyPair, cluster?: ClusterName): Promise<string> => {
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: cluster === undefined ? [] : [{ CN: [cluster] }],
    keys,
    signingAlgorithm: signingParametersOf(keys.privateKey),
  })
  return request.toString('pem')
}
