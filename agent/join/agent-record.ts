import { z } from 'zod'
import { joinResponse } from '#mesh/join.ts'

/** What an agent is, over all its restarts: the small sealed document in its data directory. */
export const agentRecord = z.object({
  /** Tells this replica from the others of its cluster. */
  replica: z.string(),
  /** PKCS#8: signs the plane's nonces. */
  identityKeyPem: z.string(),
  /** PKCS#8: signs the workloads' certificates, under the certificate of the membership. */
  intermediateKeyPem: z.string(),
  /** The intermediate that will sign them. `receivedAt`: milliseconds since the epoch. */
  incoming: z.object({ intermediateKeyPem: z.string(), certificatePem: z.string(), receivedAt: z.number() }).optional(),
  /** The request that this agent joins with: the same at every attempt, so that a repeated one gets the same answer. */
  csrPem: z.string(),
  /** null: not joined yet. */
  membership: joinResponse.nullable(),
  /** The public part of the join token that was used up. */
  joinTokenId: z.string().optional(),
})
export type AgentRecord = z.infer<typeof agentRecord>

/** An agent that is a cluster's. */
export type JoinedRecord = AgentRecord & { readonly membership: NonNullable<AgentRecord['membership']> }

export const isJoined = (record: AgentRecord): record is JoinedRecord => record.membership !== null
