import { z } from 'zod'
import { clusterName, meshName, networkName } from './names.ts'

/** What an agent without an identity says to the plane (`POST /v1/join`). */
export const joinRequest = z.object({
  /** atoll_join_<id>_<secret> */
  token: z.string().max(256),
  replica: z.string().min(1).max(128),
  /** PKCS#10, PEM, for the intermediate's key. Asks for no subject alternative name and no CA power: the plane decides those. */
  csrPem: z.string().max(16_384),
  /** SubjectPublicKeyInfo, PEM, of the agent's identity key (ECDSA P-256), which will sign the uplink's nonces. */
  identityKeyPem: z.string().max(4096),
  /** Base64url ECDSA over `toJoinPayload`: proof that the joiner holds the identity key. */
  proof: z.string().max(256),
})
export type JoinRequest = z.infer<typeof joinRequest>

export const joinResponse = z.object({
  mesh: meshName,
  meshId: z.string(),
  cluster: clusterName,
  network: networkName,
  trustDomain: z.string(),
  certificatePem: z.string(),
  rootsPem: z.array(z.string()),
})
export type JoinResponse = z.infer<typeof joinResponse>

/** The token's id (not its secret) and a hash of the CSR are signed, so that a proof can't be moved to another join. */
export const toJoinPayload = (join: { tokenId: string; csrPem: string; replica: string }): string =>
  ['atoll-join', join.tokenId, join.replica, join.csrPem.trim()].join('\n')
