import { z } from 'zod'
import { issuerDocument, type IssuerDocument } from '#agent/proxy-auth/issuer-keys.ts'
import type { PodIdentity } from '#agent/proxy-auth/service-account-token.ts'
import { KubernetesError, type KubernetesClient } from './kubernetes-client.ts'

const one = z.tuple([z.string().min(1)])

/** authentication.k8s.io/v1 TokenReview, of a token that is good and a pod's. */
const podReview = z.object({
  status: z.object({
    authenticated: z.literal(true),
    audiences: z.array(z.string()),
    user: z.object({
      username: z.string().regex(/^system:serviceaccount:[^:]+:[^:]+$/),
      uid: z.string().min(1),
      extra: z.object({
        'authentication.kubernetes.io/pod-name': one,
        'authentication.kubernetes.io/pod-uid': one,
      }),
    }),
  }),
})
const reviewAnswer = z.object({ status: z.object({ authenticated: z.boolean().optional() }) })

/**
 * Asks the API server whose token it is; undefined = nobody's, or no pod's, or not one for this audience. A server that knows nothing of
 * audiences names none: its word is not taken.
 */
export const reviewToken = async (
  client: KubernetesClient,
  token: string,
  audience: string,
): Promise<PodIdentity | undefined> => {
  const answer = await client.request({
    method: 'POST',
    path: '/apis/authentication.k8s.io/v1/tokenreviews',
    body: {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token, audiences: [audience] },
    },
  })
  if (!reviewAnswer.safeParse(answer).success)
    throw new KubernetesError('a TokenReview came back without its status', undefined)
  const review = podReview.safeParse(answer).data
  if (!review?.status.audiences.includes(audience)) return undefined
  const { username, uid, extra } = review.status.user
  const [, , namespace = '', serviceAccount = ''] = username.split(':')
  const [pod] = extra['authentication.kubernetes.io/pod-name']
  const [podUid] = extra['authentication.kubernetes.io/pod-uid']
  return { namespace, serviceAccount, serviceAccountUid: uid, pod, podUid }
}

const discovery = z.object({ issuer: z.string() })
const keySet = z.object({ keys: z.array(z.unknown()) })

/** Who signs this cluster's service account tokens (KEP-1393). Every service account may read it. */
export const fetchIssuer = async (client: KubernetesClient): Promise<IssuerDocument> => {
  const { issuer } = discovery.parse(await client.request({ method: 'GET', path: '/.well-known/openid-configuration' }))
  const { keys } = keySet.parse(await client.request({ method: 'GET', path: '/openid/v1/jwks' }))
  return issuerDocument.parse({ issuer, keys })
}

const serviceAccount = z.object({ metadata: z.object({ uid: z.string() }) })

/** undefined = there is no such account. */
export const findServiceAccountUid = async (
  client: KubernetesClient,
  namespace: string,
  name: string,
): Promise<string | undefined> => {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/serviceaccounts/${encodeURIComponent(name)}`
  try {
    return serviceAccount.parse(await client.request({ method: 'GET', path })).metadata.uid
  } catch (error) {
    if (error instanceof KubernetesError && error.status === 404) return undefined
    throw error
  }
}
