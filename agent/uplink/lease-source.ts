import type { LeaseAsk, LeaseGrant } from '#mesh/uplink.ts'

/** Who needs leases of limits. */
export interface LeaseSource {
  /** The plane is there and leases, or not any more. */
  setLive(isLive: boolean): void
  /** When there may be something to ask. */
  readonly dueAt: number | undefined
  nextAsks(): readonly LeaseAsk[] | undefined
  take(replicas: number, grants: readonly LeaseGrant[]): void
}
