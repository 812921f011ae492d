import { z } from 'zod'
import type { KubernetesClient } from './kubernetes-client.ts'

/** authorization.k8s.io/v1 LocalSubjectAccessReview. */
const reviewAnswer = z.object({ status: z.object({ allowed: z.boolean() }) })

/**
 * Asks the API server whether a service account may list the Secrets of its namespace, as Istio does for proxies. The local kind of
 * review: a Role in that namespace is enough to ask.
 */
export const mayListSecrets = async (
  client: Pick<KubernetesClient, 'request'>,
  namespace: string,
  serviceAccount: string,
): Promise<boolean> => {
  const answer = await client.request({
    method: 'POST',
    path: `/apis/authorization.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/localsubjectaccessreviews`,
    body: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'LocalSubjectAccessReview',
      metadata: { namespace },
      spec: {
        user: `system:serviceaccount:${namespace}:${serviceAccount}`,
        groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
        resourceAttributes: { namespace, verb: 'list', resource: 'secrets' },
      },
    },
  })
  return reviewAnswer.parse(answer).status.allowed
}
