import type { Result } from '#mesh/result.ts'
import type { Proxy } from '#xds/proxy.ts'

/** Who a proxy has proven to be. */
export interface ProxyGrant {
  readonly proxy: Proxy
  /** Which credential proved it: for logs and for revocation. It is not a secret. */
  readonly credential: string
}

/**
 * Why a credential was refused: for our log. The client is told only that it was. `no_pod`: it is right, but its pod is not known here.
 * `unverifiable`: who could vouch for it can't be asked.
 */
export type CredentialRefusal = 'missing' | 'malformed' | 'unknown' | 'expired' | 'no_pod' | 'unverifiable'

/** Tells what a proxy is from its credential alone, never from what its node says of itself. */
export interface ProxyAuthenticator {
  /** `authorization` = the value of the request's header of this name. */
  authenticate(authorization: string | undefined): Promise<Result<ProxyGrant, CredentialRefusal>>
  /** Whether the grant of an open stream still holds; false ends the stream. */
  isValid(grant: ProxyGrant): boolean
}
