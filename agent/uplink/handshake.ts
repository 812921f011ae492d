import type { ClusterName, MeshName } from '#mesh/names.ts'
import {
  toHelloPayload,
  UPLINK_CAPABILITIES,
  UPLINK_PROTOCOL,
  type AgentMessage,
  type PlaneMessage,
  type Position,
} from '#mesh/uplink.ts'
import type { PlaneStanding } from './reporter-election.ts'

/** Who this agent is to the plane. */
export interface UplinkIdentity {
  readonly mesh: MeshName
  readonly cluster: ClusterName
  readonly replica: string
  readonly agentVersion: string
  /** Base64url ECDSA P-256 (IEEE P1363) with the agent's identity key. */
  sign(payload: string): string
}

/** The answer to a challenge: who this is, proven, and from where on it wants to hear. */
export const toHello = (
  { nonce, protocol }: Extract<PlaneMessage, { type: 'challenge' }>,
  identity: UplinkIdentity,
  position: Position | null,
): AgentMessage => {
  const { mesh, cluster, replica, agentVersion } = identity
  const signed = { mesh, cluster, replica, protocol: Math.min(protocol, UPLINK_PROTOCOL) }
  return {
    type: 'hello',
    ...signed,
    capabilities: [...UPLINK_CAPABILITIES],
    agentVersion,
    position,
    signature: identity.sign(toHelloPayload({ ...signed, nonce })),
  }
}

/** What a welcome says of who reports. */
export const toStanding = (
  { reporter }: Extract<PlaneMessage, { type: 'welcome' }>,
  identity: UplinkIdentity,
): PlaneStanding => ({
  term: reporter.term,
  isOurs: reporter.replica === identity.replica,
  isVacant: !reporter.connected,
})
