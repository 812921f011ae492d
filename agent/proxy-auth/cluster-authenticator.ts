import type { Result } from '#mesh/result.ts'
import type { CredentialRefusal, ProxyAuthenticator, ProxyGrant } from './proxy-authenticator.ts'
import { isPodGrant } from './service-account-authenticator.ts'
import { parseAuthorization } from './service-account-token.ts'

/** The proxies of a Kubernetes cluster: pods by their service account tokens, machines beside it by theirs. */
export class ClusterAuthenticator implements ProxyAuthenticator {
  readonly #pods: ProxyAuthenticator
  readonly #machines: ProxyAuthenticator

  constructor(pods: ProxyAuthenticator, machines: ProxyAuthenticator) {
    this.#pods = pods
    this.#machines = machines
  }

  authenticate(authorization: string | undefined, peer?: string): Promise<Result<ProxyGrant, CredentialRefusal>> {
    const isPodToken = authorization !== undefined && parseAuthorization(authorization) !== undefined
    return (isPodToken ? this.#pods : this.#machines).authenticate(authorization, peer)
  }

  isValid(grant: ProxyGrant): boolean {
    return (isPodGrant(grant) ? this.#pods : this.#machines).isValid(grant)
  }
}
