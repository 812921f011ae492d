import { toClustersDnsName } from '#mesh/identity.ts'
import type { MeshName, TrustDomain } from '#mesh/names.ts'
import { signCaCertificate } from './certificate.ts'
import type { IssuedCertificate } from './certificate.ts'
import { issuerProfile } from './profile.ts'
import type { Signer } from './signer.ts'
import type { VerifiedRequest } from './verify-request.ts'

export interface IssuerIdentity {
  readonly mesh: MeshName
  readonly trustDomain: TrustDomain
  readonly name: string
}

/**
 * Signs the CA of an external issuer (docs/decisions/0013): SPIFFE IDs of the trust domain, and any DNS name but those by which clusters,
 * their workloads and agents are known.
 */
export const signIssuer = (
  request: VerifiedRequest,
  { mesh, trustDomain, name }: IssuerIdentity,
  serial: string,
  signer: Signer,
  nowMs: number,
): Promise<IssuedCertificate> =>
  signCaCertificate(
    {
      serial,
      subject: [{ O: [mesh] }, { OU: ['issuers'] }, { CN: [name] }],
      trustDomain,
      publicKey: request.publicKey,
      profile: issuerProfile,
      names: { permittedUri: trustDomain, excludedDns: toClustersDnsName(trustDomain) },
      nowMs,
    },
    signer,
  )
