import type { Clock } from '#agent/clock.ts'
import type { KnownPod, PodDirectory } from '#agent/registry/kubernetes/pod-directory.ts'
import { tokenAudience } from '#mesh/kubernetes/conventions.ts'
import { err, ok, type Result } from '#mesh/result.ts'
import type { AccountDeletions } from './account-deletions.ts'
import type { IssuerKeys } from './issuer-keys.ts'
import type { CredentialRefusal, ProxyAuthenticator, ProxyGrant } from './proxy-authenticator.ts'
import {
  parseAuthorization,
  parseClaims,
  type PodIdentity,
  type TokenClaims,
  type TokenParts,
} from './service-account-token.ts'
import { toPodProxy } from './to-pod-proxy.ts'
import type { TokenReviews } from './token-reviews.ts'

export interface ServiceAccountAuthenticatorOptions {
  readonly reviews: TokenReviews<PodIdentity>
  readonly issuerKeys: IssuerKeys
  readonly accounts: AccountDeletions
  readonly pods: Pick<PodDirectory, 'complete' | 'find'>
  readonly clock: Clock
}

/** A pod's token may be here before the event that tells of the pod. */
const podPatienceMilliseconds = 5000
const podPollMilliseconds = 50

/**
 * The tokens of proxies in pods: projected service account tokens. Who the pod is says the API server (TokenReview), or while it is away
 * the signature of its issuer; what the pod is says the informer. Nothing is taken from what a proxy says of itself.
 */
export class ServiceAccountAuthenticator implements ProxyAuthenticator {
  readonly #options: ServiceAccountAuthenticatorOptions

  constructor(options: ServiceAccountAuthenticatorOptions) {
    this.#options = options
  }

  async authenticate(authorization: string | undefined): Promise<Result<ProxyGrant, CredentialRefusal>> {
    if (authorization === undefined) return err('missing')
    const token = parseAuthorization(authorization)
    const claims = token && parseClaims(token)
    if (!token || !claims) return err('malformed')
    // Whoever signed it: nobody needs to be asked about what a token does not even claim.
    if (claims.expiresAt <= this.#options.clock.now()) return err('expired')
    if (!claims.audiences.includes(tokenAudience) || !claims.identity) return err('unknown')
    const identity = await this.#prove(token, claims)
    if (!identity.ok) return identity
    const pod = await this.#waitForPod(identity.value)
    if (!pod) return err('no_pod')
    const grant = { proxy: toPodProxy(pod), credential: toCredential(identity.value) }
    return this.isValid(grant) ? ok(grant) : err('unknown')
  }

  /** As long as the pod lives as what it was, and its account is there: not only until the token runs out, which is replaced in time. */
  isValid({ proxy, credential }: ProxyGrant): boolean {
    const { pods, accounts } = this.#options
    const uids = parseCredential(credential)
    if (!uids || accounts.isDeleted(proxy.namespace, proxy.serviceAccount, uids.serviceAccountUid)) return false
    const pod = pods.find(proxy.namespace, proxy.workload)
    if (!pod) return !pods.complete
    return pod.uid === uids.podUid && pod.serviceAccount === proxy.serviceAccount && toPodProxy(pod).role === proxy.role
  }

  async #prove(token: TokenParts, claims: TokenClaims): Promise<Result<PodIdentity, CredentialRefusal>> {
    const { reviews, issuerKeys } = this.#options
    const outcome = await reviews.review(token.text, claims.expiresAt)
    if (outcome.kind === 'proven') return ok(outcome.identity)
    if (outcome.kind === 'refused') return err('unknown')
    return claims.identity && issuerKeys.verify(token, claims) ? ok(claims.identity) : err('unverifiable')
  }

  async #waitForPod({ namespace, serviceAccount, pod: name, podUid }: PodIdentity): Promise<KnownPod | undefined> {
    const { pods, clock } = this.#options
    const deadline = clock.now() + podPatienceMilliseconds
    for (;;) {
      const pod = pods.find(namespace, name)
      if (pod?.uid === podUid) return pod.serviceAccount === serviceAccount ? pod : undefined
      if (clock.now() >= deadline) return undefined
      await new Promise<void>((resolve) => clock.after(podPollMilliseconds, resolve))
    }
  }
}

const toCredential = ({ podUid, serviceAccountUid }: PodIdentity): string => `pod/${podUid}/${serviceAccountUid}`

const parseCredential = (credential: string): Pick<PodIdentity, 'podUid' | 'serviceAccountUid'> | undefined => {
  const [, podUid, serviceAccountUid] = /^pod\/([^/]+)\/([^/]+)$/.exec(credential) ?? []
  return podUid !== undefined && serviceAccountUid !== undefined ? { podUid, serviceAccountUid } : undefined
}

/** Whether a grant came from a pod's token. */
export const isPodGrant = ({ credential }: ProxyGrant): boolean => parseCredential(credential) !== undefined
