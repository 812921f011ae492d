import { z } from 'zod'

/** Whom a service account token is for, once somebody has vouched for it: a pod and its account. */
export interface PodIdentity {
  readonly namespace: string
  readonly serviceAccount: string
  readonly serviceAccountUid: string
  readonly pod: string
  readonly podUid: string
}

/** What a token says of itself. Nothing of it is proven. */
export interface TokenClaims {
  readonly issuer: string
  readonly audiences: readonly string[]
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
  /** undefined = the token is bound to no pod. */
  readonly identity: PodIdentity | undefined
}

/** A token in three parts, which are in base64url (RFC 7515 §3.1). */
export interface TokenParts {
  readonly text: string
  readonly header: string
  readonly payload: string
  readonly signature: string
}

const maxTokenChars = 16 * 1024

/** A token out of `Authorization`, with or without the scheme: Envoy's credential injector puts a token file's content there as it is. */
export const parseAuthorization = (authorization: string): TokenParts | undefined => {
  if (authorization.length > maxTokenChars) return undefined
  const [, text, header, payload, signature] =
    /^(?:[Bb]earer +)?(([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+))$/.exec(authorization) ?? []
  if (text === undefined || header === undefined || payload === undefined || signature === undefined) return undefined
  return { text, header, payload, signature }
}

const reference = z.object({ name: z.string().min(1), uid: z.string().min(1) })

/** As Kubernetes writes them (KEP-1205, bound service account tokens). */
const claims = z
  .object({
    iss: z.string(),
    aud: z.union([z.string().transform((one) => [one]), z.array(z.string())]),
    exp: z.number(),
    'kubernetes.io': z.object({ namespace: z.string().min(1), serviceaccount: reference, pod: reference.optional() }),
  })
  .transform(({ iss, aud, exp, 'kubernetes.io': { namespace, serviceaccount, pod } }): TokenClaims => ({
    issuer: iss,
    audiences: aud,
    expiresAt: exp * 1000,
    identity: pod && {
      namespace,
      serviceAccount: serviceaccount.name,
      serviceAccountUid: serviceaccount.uid,
      pod: pod.name,
      podUid: pod.uid,
    },
  }))

export const parseClaims = ({ payload }: TokenParts): TokenClaims | undefined =>
  claims.safeParse(decodeTokenPart(payload)).data

/** undefined = it is not JSON. */
export const decodeTokenPart = (part: string): unknown => {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
  } catch {
    return undefined
  }
}
