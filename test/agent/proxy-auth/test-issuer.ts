import { generateKeyPairSync, sign, verify, type KeyObject } from 'node:crypto'
import { issuerDocument, type IssuerDocument } from '#agent/proxy-auth/issuer-keys.ts'
import {
  parseAuthorization,
  parseClaims,
  type PodIdentity,
  type TokenParts,
} from '#agent/proxy-auth/service-account-token.ts'

export const reviews: PodIdentity = {
  namespace: 'shop',
  serviceAccount: 'reviews',
  serviceAccountUid: 'account-1',
  pod: 'reviews-1',
  podUid: 'pod-1',
}

export interface TokenWishes {
  readonly audiences?: readonly string[]
  readonly issuer?: string
  /** Milliseconds since the epoch. */
  readonly expiresAt?: number
  readonly isForPod?: boolean
  readonly algorithm?: string
}

const encode = (content: object): string => Buffer.from(JSON.stringify(content)).toString('base64url')

/** Signs service account tokens as a cluster's API server does, and reviews them. */
export class TestIssuer {
  readonly #keys: { readonly privateKey: KeyObject; readonly publicKey: KeyObject }
  readonly #now: () => number
  readonly #url: string
  /** What its clients asked, by token. */
  readonly asked: string[] = []
  /** Pods and accounts that are gone: a review says no to their tokens. */
  readonly gone = new Set<string>()
  isAway = false

  constructor(now: () => number, url = 'https://kubernetes.default.svc') {
    this.#keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    this.#now = now
    this.#url = url
  }

  issue(identity: PodIdentity = reviews, wishes: TokenWishes = {}): string {
    const { namespace, serviceAccount, serviceAccountUid, pod, podUid } = identity
    const header = encode({ alg: wishes.algorithm ?? 'ES256', kid: 'key-1' })
    const payload = encode({
      iss: wishes.issuer ?? this.#url,
      aud: wishes.audiences ?? ['atoll'],
      exp: (wishes.expiresAt ?? this.#now() + 60 * 60_000) / 1000,
      sub: `system:serviceaccount:${namespace}:${serviceAccount}`,
      'kubernetes.io': {
        namespace,
        serviceaccount: { name: serviceAccount, uid: serviceAccountUid },
        ...(wishes.isForPod === false ? {} : { pod: { name: pod, uid: podUid } }),
      },
    })
    return `${header}.${payload}.${this.#sign(`${header}.${payload}`)}`
  }

  document(): IssuerDocument {
    const key = { ...this.#keys.publicKey.export({ format: 'jwk' }), kid: 'key-1', use: 'sig' }
    return issuerDocument.parse({ issuer: this.#url, keys: [key] })
  }

  /** As TokenReview does. */
  async review(text: string): Promise<PodIdentity | undefined> {
    this.asked.push(text)
    await Promise.resolve()
    if (this.isAway) throw new Error('the API server is away')
    const token = parseAuthorization(text)
    const claims = token && parseClaims(token)
    if (!token || !claims?.identity || !this.#isSigned(token)) return undefined
    const { podUid, serviceAccountUid } = claims.identity
    const isGone = this.gone.has(podUid) || this.gone.has(serviceAccountUid)
    const isRight = claims.issuer === this.#url && claims.audiences.includes('atoll') && claims.expiresAt > this.#now()
    return isRight && !isGone ? claims.identity : undefined
  }

  #sign(text: string): string {
    return sign('sha256', Buffer.from(text), { key: this.#keys.privateKey, dsaEncoding: 'ieee-p1363' }).toString(
      'base64url',
    )
  }

  #isSigned({ header, payload, signature }: TokenParts): boolean {
    const key = { key: this.#keys.publicKey, dsaEncoding: 'ieee-p1363' as const }
    return verify('sha256', Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url'))
  }
}
