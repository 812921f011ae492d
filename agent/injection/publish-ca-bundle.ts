import { z } from 'zod'
import { KubernetesError, type KubernetesClient } from '#agent/kubernetes/kubernetes-client.ts'
import { injectorWebhook } from '#mesh/kubernetes/conventions.ts'

const configuration = z.looseObject({
  webhooks: z.array(z.looseObject({ clientConfig: z.looseObject({ caBundle: z.string().optional() }) })).optional(),
})

const path = `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${injectorWebhook}`

/**
 * Tells the API server whom to believe that it is the injector. It writes only where something else is there: an upgrade may have
 * put the manifest back. Rejects when somebody else writes at the same time, and where there is no such configuration.
 */
export const publishCaBundle = async (
  client: Pick<KubernetesClient, 'request'>,
  caBundlePem: string,
): Promise<void> => {
  const parsed = configuration.safeParse(await client.request({ method: 'GET', path }))
  if (!parsed.success)
    throw new KubernetesError(`${injectorWebhook} is not what a webhook's configuration looks like`, undefined)
  const caBundle = Buffer.from(caBundlePem).toString('base64')
  const webhooks = parsed.data.webhooks ?? []
  if (webhooks.every(({ clientConfig }) => clientConfig.caBundle === caBundle)) return
  const body = {
    ...parsed.data,
    webhooks: webhooks.map((webhook) => ({ ...webhook, clientConfig: { ...webhook.clientConfig, caBundle } })),
  }
  await client.request({ method: 'PUT', path, body })
}
