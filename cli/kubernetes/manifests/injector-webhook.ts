import { toInjectorWebhooks } from '#mesh/injection/injector-webhooks.ts'
import {
  agentName,
  agentWebhookPort,
  injectorPath,
  injectorWebhook,
  systemNamespace,
} from '#mesh/kubernetes/conventions.ts'
import type { KubernetesObject } from '../kubernetes-object.ts'
import type { InstallSettings } from './install-settings.ts'
import { toLabels } from './object-labels.ts'

/** The injector's webhooks. Their `caBundle` is the agent's to write: an authority that its replicas share. */
export const buildInjectorWebhook = ({
  revision,
  failurePolicy,
}: Pick<InstallSettings, 'revision' | 'failurePolicy'>): KubernetesObject => ({
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'MutatingWebhookConfiguration',
  metadata: { name: injectorWebhook, labels: toLabels(agentName) },
  webhooks: toInjectorWebhooks(revision).map((selection) => ({
    ...selection,
    clientConfig: {
      service: { name: agentName, namespace: systemNamespace, path: injectorPath, port: agentWebhookPort },
    },
    rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'], scope: 'Namespaced' }],
    failurePolicy,
    sideEffects: 'None',
    reinvocationPolicy: 'Never',
    admissionReviewVersions: ['v1'],
    timeoutSeconds: 10,
  })),
})
