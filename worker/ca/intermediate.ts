import type { JsonName } from '@peculiar/x509'
import { toClusterDnsName } from '#mesh/identity.ts'
import type { ClusterName, MeshName, TrustDomain } from '#mesh/names.ts'
import { signCaCertificate } from './certificate.ts'
import type { IssuedCertificate } from './certificate.ts'
import { intermediateProfile } from './profile.ts'
import type { Signer } from './signer.ts'
import type { VerifiedRequest } from './verify-request.ts'

export interface ClusterIdentity {
  readonly mesh: MeshName
  readonly trustDomain: TrustDomain
  readonly cluster: ClusterName
}

/**
 * Signs a cluster's intermediate. What it may vouch for is decided here, from the cluster that asked and never from its
 * request: SPIFFE IDs of the trust domain and DNS names below the cluster's own (DESIGN §3).
 */
export const signIntermediate = (
  request: VerifiedRequest,
  identity: ClusterIdentity,
  serial: string,
  signer: Signer,
  nowMs: number,
): Promise<IssuedCertificate> => {
  const subject: JsonName = [{ O: [identity.mesh] }, { OU: ['clusters'] }, { CN: [identity.cluster] }]
  return signCaCertificate(
    {
      serial,
      subject,
      trustDomain: identity.trustDomain,
      publicKey: request.publicKey,
      profile: intermediateProfile,
      names: {
        permittedUri: identity.trustDomain,
        permittedDns: toClusterDnsName(identity.cluster, identity.trustDomain),
      },
      nowMs,
    },
    signer,
  )
}
