import type { GroupMachine } from '#mesh/registry-records/machine-groups.ts'
import type { Result } from '#mesh/result.ts'
import type { Proxy } from '#xds/proxy.ts'

/** Who a proxy has proven to be. */
export interface ProxyGrant {
  readonly proxy: Proxy
  /** Which credential proved it: for logs and for revocation. It is not a secret. */
  readonly credential: string
  /** Which machine of a WorkloadGroup it is; absent = it is of none, or its WorkloadEntry was written by hand. */
  readonly machine?: GroupMachine
}

/**
 * Why a credential was refused: for our log. The client is told only that it was. `no_pod`: it is right, but its pod is not known here.
 * `unverifiable`: who could vouch for it can't be asked.
 */
export type CredentialRefusal =
  | 'missing'
  | 'malformed'
  | 'unknown'
  | 'expired'
  | 'no_pod'
  | 'unverifiable'
  | MachineRefusal

/**
 * Why the machine of a right token does not become a workload. `no_address`: it connects from a loopback address that every machine has.
 * `no_group`: its WorkloadGroup is not in this cluster. `other_account`: that is for another service account.
 */
export type MachineRefusal = 'no_address' | 'no_group' | 'other_account' | 'name_taken' | 'group_full'

/** Tells what a proxy is from its credential alone, never from what its node says of itself. */
export interface ProxyAuthenticator {
  /** `authorization` = the value of the request's header of this name; `peer` = "address:port" that it comes from. */
  authenticate(authorization: string | undefined, peer?: string): Promise<Result<ProxyGrant, CredentialRefusal>>
  /** Whether the grant of an open stream still holds; false ends the stream. */
  isValid(grant: ProxyGrant): boolean
}
